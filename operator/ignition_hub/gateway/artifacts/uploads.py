"""
Uploads of builders: begun with a URL for each part, and taken away when another takes their place.

An upload that is neither completed nor aborted holds its parts and shows in no listing of objects. So of one
identity at most ``MOST_OPEN`` are open, and none once its engine is published. Synchronous.
"""

import logging

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.naming import StorePaths
from ignition_hub.engine.protocol import StartedUpload, Upload, UploadPart
from ignition_hub.engine.request import BuildRequest
from ignition_hub.gateway.artifacts.grants import URL_SECONDS

log = logging.getLogger(__name__)

MOST_OPEN = 2
"""A Job may have a builder and its successor."""


def start_upload(store: OpenStore, request: BuildRequest, wanted: Upload) -> StartedUpload:
    """Begin an upload of a build's engine; of the uploads begun before it, only the latest stays."""
    paths = StorePaths(store.prefix, request.inputs, request.identity)
    abort_uploads(store, paths.folder, keep=MOST_OPEN - 1)
    key = paths.engine(wanted.sha256)
    upload_id = store.objects.start_upload(key)
    parts = (
        UploadPart(
            number, store.objects.presign_part(key, upload_id, number, wanted.bytes_of(number), URL_SECONDS)
        )
        for number in range(1, wanted.parts + 1)
    )
    return StartedUpload(upload_id, key, tuple(parts))


def abort_uploads(store: OpenStore, folder: str, *, keep: int) -> None:
    """Abort the uploads below ``folder`` but for the latest ``keep``; a store that refuses is only logged."""
    try:
        found = sorted(store.objects.unfinished_uploads(f"{folder}/"), key=lambda upload: upload.begun)
        for upload in found[: len(found) - keep]:
            store.objects.abort_upload(upload.key, upload.upload_id)
    except IgnitionError as error:
        # The engine matters more than what an earlier attempt left behind.
        log.warning("unfinished uploads of %s cannot be aborted: %s", folder, error)
