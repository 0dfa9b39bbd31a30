"""
The timing cache of a build: whose measurements it may use, and what builder and gateway say about it.

A timing cache holds kernels that TensorRT compiled, so an engine made with one holds what its writers put
there. Whoever shares a cache therefore shares the trust in every model that was built with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from ignition_hub.engine.canonical import canonical_json, sha256_hex
from ignition_hub.engine.codec import Record
from ignition_hub.engine.pinned import pinned_files
from ignition_hub.engine.request import BuildRequest

MOST_BYTES = 512 * 1024**2
"""The largest timing cache that is kept: they only grow, and every build of a product reads one."""


def owner_of(request: BuildRequest, *, reads_alone: bool) -> str:
    """
    Return whose cache a build uses, as a folder: that of its namespace, or of its model.

    ``reads_alone``: nobody but the request's namespace may read the source. Only then can no other namespace
    come by the engine, and the namespace's own models may share what was measured. Everybody who has the
    bytes may ask for a pinned model, so an engine of one is made with what builds of these bytes measured.
    """
    model = request.inputs.model.fingerprint
    if reads_alone and not model.startswith("sha256:"):
        return f"namespaces/{request.namespace}"
    files = sorted(file.sha256 for file in pinned_files(request.options, request.verification))
    return f"models/{sha256_hex(canonical_json([model, *files]))[:32]}"


@dataclass(frozen=True, slots=True)
class StoredTimingCache(Record):
    """
    The cache that the store keeps for a build: its ``key``, and the rest None while there is none yet.

    ``url`` reads it, for a while; ``size`` is in bytes, ``etag`` without quotes.
    """

    key: str
    url: str | None = None
    etag: str | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class TimingCacheUpload(Record):
    """
    Where one PUT may write a cache; the signature covers ``headers``, which must be sent as they are.

    They hold the size, and the condition that the store still has what the writer has seen.
    """

    url: str
    headers: Mapping[str, str] = field(hash=False)
