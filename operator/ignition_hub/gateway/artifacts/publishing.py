"""
From an uploaded object to a published engine. Synchronous: it runs in a worker thread.

Read ``complete`` from top to bottom as what makes an engine count: it lies where this build may write, it is
what was asked for (``upload_check``), and only then it is signed.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.engine.manifest import EngineFile, Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.engine.protocol import Completion
from ignition_hub.gateway.artifacts.upload_check import (
    ObjectRejected,
    UploadRejected,
    check_claims,
    check_object,
)
from ignition_hub.gateway.artifacts.uploads import abort_uploads
from ignition_hub.gateway.cluster.callers import Build
from ignition_hub.store.errors import ManifestRefused
from ignition_hub.store.find import find
from ignition_hub.store.publish import Publication, publish
from ignition_hub.store.trust import PublicKeys, SigningKey


@dataclass(frozen=True, slots=True)
class Signer:
    """What signs new engines, and the keys that older ones may be signed with."""

    key: SigningKey
    keys: PublicKeys


def complete(store: OpenStore, signer: Signer, build: Build, upload: Completion) -> Publication:
    """
    Check what was uploaded, sign it and publish it; again and again with the same answer.

    Raise UploadRejected when it is not the engine that was asked for, and the store's errors. Only an object
    that is wrong whoever uploaded it is deleted: another build of the same bytes may have published it.
    """
    inputs = build.request.inputs
    paths = StorePaths(store.prefix, inputs, build.request.identity)
    if upload.key != paths.engine(upload.sha256):
        raise UploadRejected(f"this build may not write to key {upload.key!r}", "use the upload's key")
    publication = published(store, signer.keys, build, upload, paths) or _signed(
        store, signer, build, upload, paths
    )
    abort_uploads(store, paths.folder, keep=0)
    return publication


def _signed(
    store: OpenStore, signer: Signer, build: Build, upload: Completion, paths: StorePaths
) -> Publication:
    check_claims(store, build, upload)
    # Not over an object: radosgw 18.2.7 and gofakes3 1.2.0 would replace one that was checked.
    if store.objects.head(upload.key) is None:
        store.objects.complete_upload(upload.key, upload.upload_id, upload.etags)
    try:
        check_object(store, build, upload)
    except ObjectRejected:
        store.objects.delete(upload.key)
        raise
    # Not every text that JSON can carry can be written: a lone surrogate in a layer's name is none.
    store.objects.put(paths.log(upload.sha256), upload.log.encode(errors="backslashreplace"))
    return publish(
        store.objects,
        signer.key,
        signer.keys,
        manifest_of(build, upload, paths, datetime.now(UTC)),
        replace=build.rebuild,
    )


def published(
    store: OpenStore, keys: PublicKeys, build: Build, upload: Completion, paths: StorePaths
) -> Publication | None:
    """Return what makes this publication unnecessary: the identity's, or in a rebuild that of these bytes."""
    try:
        manifest = find(store.objects, keys, build.request.inputs, build.request.identity)
    except ManifestRefused:
        return None  # not believed: publishing replaces it
    # By key, which holds 16 digits of the digest: what lies there counts and is not to be touched, whatever
    # the other 48 digits of a claim are.
    if manifest is None or (build.rebuild and manifest.engine.key != upload.key):
        return None
    return Publication(manifest, paths.manifest, is_new=False)


def manifest_of(build: Build, upload: Completion, paths: StorePaths, now: datetime) -> Manifest:
    """Return the manifest of a checked upload; the builder's image is the one the kubelet saw."""
    facts = upload.facts
    if build.builder_image:
        facts = replace(facts, builder_image=build.builder_image)
    return Manifest(
        identity=build.request.identity,
        inputs=build.request.inputs,
        engine=EngineFile(upload.key, upload.sha256, upload.size),
        provenance_key=paths.provenance(upload.sha256),
        built_at=now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        build=facts,
    )
