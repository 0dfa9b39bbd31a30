"""
What an engine is and how it was made: the ``.json`` beside it in the store.

The gateway writes it last, so an engine exists when its manifest does; the controller and the gateway
believe one only after its signature holds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.codec import MAY_BE_MISSING, Record
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.fields import one_of
from ignition_hub.engine.identity import FLAVORS, EngineInputs

MANIFEST_SCHEMA = "ignitionhub.io/manifest/v1"
BUILT_AT = "%Y-%m-%dT%H:%M:%SZ"
"""How ``built_at`` is written: such times sort as texts."""
CHECKED = ("none", "model", "engine")


@dataclass(frozen=True, slots=True)
class EngineFile(Record):
    """The engine that counts: its key in the store, its SHA-256 as hex, its size in bytes."""

    key: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts(Record):
    """
    How an engine was built, as the builder saw it; every value is ready for JSON.

    ``gpu``: name, compute_capability, memory_bytes, sm_count, mig, power_mode; None where no GPU took part.
    ``model``: sha256, md5, size, opset, inputs and outputs as ``{name, dtype, shape}``, and of a bundle
    ``external_data`` as ``{name, sha256, size}``. ``flags``: by TensorRT's names. ``tf32``: asked, in_force.
    ``warnings``: ``{code, count}``. ``checked``: ``none``, ``model`` (the ONNX ran) or ``engine`` (the engine
    ran). ``typing``: Strong or Weak. ``settings``: the properties in force, read back. ``engine_io``: inputs
    and outputs as the engine has them. ``dtype`` is ONNX's name (``type_names``); earlier releases recorded
    TensorRT's in ``engine_io``. ``plugins``: ``{name, sha256, delivery, creators}``. ``timing_cache``: which
    was used and what it missed. ``environment``: the machine and its software. ``converter``: the way to the
    precision, and of a conversion under ``proof`` whether what it made is the model still: ``proven``, with
    the figures of its ``outputs`` or ``why`` not. Sizes are bytes. What an
    earlier release did not record is None or empty.
    """

    flavor: str
    tensorrt_version: str
    model: Mapping[str, Any] = field(hash=False)
    tf32: Mapping[str, Any] = field(hash=False)
    seconds: float
    cuda_version: str | None = None
    driver: str | None = None
    gpu: Mapping[str, Any] | None = field(default=None, hash=False)
    parser_messages: tuple[Any, ...] = field(default=(), hash=False)
    profiles: tuple[Any, ...] = field(default=(), hash=False)
    flags: tuple[str, ...] = ()
    converter: Mapping[str, Any] | None = field(default=None, hash=False)
    peak_memory_bytes: int | None = None
    accuracy: Mapping[str, Any] | None = field(default=None, hash=False)
    benchmark: Mapping[str, Any] | None = field(default=None, hash=False)
    builder_image: str | None = None
    warnings: tuple[Any, ...] = field(default=(), hash=False)
    checked: str = "none"
    typing: str | None = field(default=None, metadata=MAY_BE_MISSING)
    settings: Mapping[str, Any] | None = field(default=None, hash=False, metadata=MAY_BE_MISSING)
    engine_io: Mapping[str, Any] | None = field(default=None, hash=False, metadata=MAY_BE_MISSING)
    plugins: tuple[Any, ...] = field(default=(), hash=False, metadata=MAY_BE_MISSING)
    timing_cache: Mapping[str, Any] | None = field(default=None, hash=False, metadata=MAY_BE_MISSING)
    environment: Mapping[str, Any] | None = field(default=None, hash=False, metadata=MAY_BE_MISSING)

    def __post_init__(self) -> None:
        one_of("BuildFacts.flavor", self.flavor, FLAVORS)
        one_of("BuildFacts.checked", self.checked, CHECKED)

    def for_loading(self) -> "BuildFacts":
        """Return the facts that a process needs to load the engine; the rest stays in the store."""
        model = {name: value for name, value in self.model.items() if name != "external_data"}
        return replace(
            self,
            model=model,
            parser_messages=(),
            converter=None,
            accuracy=None,
            benchmark=None,
            warnings=(),
            timing_cache=None,
            environment=None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest(Record):
    """One published engine; ``built_at`` is RFC 3339 UTC, ``provenance_key`` the signed statement on this."""

    schema: str = MANIFEST_SCHEMA
    identity: str
    inputs: EngineInputs
    engine: EngineFile
    provenance_key: str
    built_at: str
    build: BuildFacts

    def __post_init__(self) -> None:
        one_of("Manifest.schema", self.schema, (MANIFEST_SCHEMA,))

    def is_rolled_back(self, built_at: str, sha256: str) -> bool:
        """
        Tell whether this is an engine that was replaced: one of ``built_at`` and ``sha256`` was seen already.

        A manifest that was replaced stays signed. Only its time, which is earlier than that of every
        replacement, says that it was put back.
        """
        is_another = self.engine.sha256 != sha256
        return self.built_at < built_at or (self.built_at == built_at and is_another)

    def to_bytes(self) -> bytes:
        """Return the canonical bytes: those that are stored and signed."""
        return canonical_json(self.to_json())

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Read what ``to_bytes`` wrote; raises ContractError for anything else."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ContractError(f"Manifest: not JSON ({error})") from error
        return cls.from_json(document)
