"""
What a builder is asked to do.

The controller writes a BuildRequest on the Job; the gateway reads it there, adds short-lived URLs and
answers the builder's ``GET /v1/builds/self`` with a BuildGrant. Nothing else tells a builder what to
build. A ``model_uri`` that ends in / is a bundle: the grant's ``files`` hold the model's external data.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.codec import MAY_BE_MISSING, Record
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.fields import one_of
from ignition_hub.engine.identity import EngineInputs

READ_WRITE, READ_ONLY, LOCKED, OFF = "ReadWrite", "ReadOnly", "Locked", "Off"
TIMING_CACHES = (READ_WRITE, READ_ONLY, LOCKED, OFF)

DATA, CALIBRATION, INPUTS, PLUGIN = "data", "calibration", "inputs", "plugin"
ROLES = (DATA, CALIBRATION, INPUTS, PLUGIN)
"""What a file is for: external data of the model, calibration, accuracy inputs, a plugin library."""


@dataclass(frozen=True, slots=True)
class BuildRequest(Record):
    """
    One engine to build.

    ``model_sha256`` is set when the source is pinned; ``source_size`` is in bytes; ``name`` is the engine's
    file name; ``namespace`` and ``engine_resource`` are the TensorRTEngine that asked first (a build may
    serve many). ``timing_cache`` is one of TIMING_CACHES and no part of the identity.
    """

    identity: str
    inputs: EngineInputs
    model_sha256: str | None
    model_uri: str
    source_size: int | None
    options: Mapping[str, Any] = field(hash=False)
    verification: Mapping[str, Any] = field(hash=False)
    timeout_seconds: int
    low_memory: bool
    name: str
    namespace: str
    engine_resource: str
    timing_cache: str = field(default=READ_WRITE, metadata=MAY_BE_MISSING)

    def __post_init__(self) -> None:
        one_of("BuildRequest.timing_cache", self.timing_cache, TIMING_CACHES)
        # What is built must be what the identity says, or one engine would answer for another.
        for name in ("options", "verification"):
            ours, covered = getattr(self, name), getattr(self.inputs, name)
            if ours is not covered and canonical_json(ours) != canonical_json(covered):
                raise ContractError(
                    f"BuildRequest.{name}: differs from inputs.{name}, which the identity covers"
                )


@dataclass(frozen=True, slots=True)
class GrantedFile(Record):
    """
    A file the builder may read besides the model; ``size`` in bytes, ``sha256`` where it is pinned.

    ``name`` of external data is its path relative to the model, of a plugin the plugin's name, of the rest
    the last part of its address. With an ``etag``, the URL reads that version only, and takes ``If-Match``.
    """

    role: str
    name: str
    url: str
    size: int
    sha256: str | None = None
    etag: str | None = field(default=None, metadata=MAY_BE_MISSING)

    def __post_init__(self) -> None:
        one_of("GrantedFile.role", self.role, ROLES)

    def to_json(self) -> dict[str, Any]:
        """Return the object; without an ``etag`` as builders of the first release read it."""
        return _without(Record.to_json(self), "etag")


@dataclass(frozen=True, slots=True)
class BuildGrant(Record):
    """
    A request and what it takes to begin: short-lived URLs with their sizes in bytes.

    ``max_model_bytes`` bounds the model and its external data together. With a ``model_etag``, the URL reads
    that version only, and takes ``If-Match``.
    """

    request: BuildRequest
    model_url: str
    model_size: int
    max_model_bytes: int
    files: tuple[GrantedFile, ...] = field(default=(), metadata=MAY_BE_MISSING)
    model_etag: str | None = field(default=None, metadata=MAY_BE_MISSING)

    def to_json(self) -> dict[str, Any]:
        """Return the object; without a ``model_etag`` as builders of the first release read it."""
        return _without(Record.to_json(self), "model_etag")


def _without(document: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name or value is not None}
