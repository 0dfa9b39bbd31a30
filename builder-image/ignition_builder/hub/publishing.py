"""
Make a built engine exist: upload its bytes, then ask the gateway to check, sign and publish them.
"""

import ssl
from pathlib import Path

from ignition_builder.hub.gateway import GatewayClient
from ignition_builder.hub.upload import Uploader, part_size_for
from ignition_builder.pipeline import Built
from ignition_builder.progress import Watcher
from ignition_hub.engine.errors import Reason, TransientError
from ignition_hub.engine.protocol import Completion
from ignition_hub.wire.outcomes import LinkExpired

UPLOADING = "Uploading engine"
LOG_BYTES = 256 * 1024
ATTEMPTS = 2


def publish(built: Built, gateway: GatewayClient, tls: ssl.SSLContext, watch: Watcher) -> str:
    """
    Return the URI of the published engine.

    Raises IgnitionError: what the gateway says, or StoreUnavailable when the bytes cannot be sent.
    """
    part_size = part_size_for(built.size)
    for _ in range(ATTEMPTS):
        upload = gateway.upload(built.size, built.sha256, part_size)
        try:
            with Uploader(built.path, tls, lambda fraction: watch(UPLOADING, fraction)) as uploader:
                etags = uploader.send(upload, part_size)
        except LinkExpired as error:
            refusal = TransientError(Reason.StoreUnavailable, str(error))
            continue
        return gateway.complete(
            Completion(
                upload_id=upload.upload_id,
                key=upload.key,
                sha256=built.sha256,
                size=built.size,
                etags=tuple(etags),
                facts=built.facts,
                log=log_of(built.log),
            )
        )
    raise refusal


def log_of(path: Path, most: int = LOG_BYTES) -> str:
    """Return the build log, its middle cut out when it is long: the beginning and the end tell most."""
    try:
        data = path.read_bytes()
    except OSError:
        return ""
    if len(data) > most:
        half = most // 2
        data = data[:half] + b"\n[...]\n" + data[-half:]
    return data.decode("utf-8", errors="replace")
