"""
What an engine is and how it was made: the ``.json`` beside it in the store.

The gateway writes it last, so an engine exists when its manifest does; the controller and the gateway
believe one only after its signature holds.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.fields import Fields, one_of
from ignition_hub.engine.identity import FLAVORS, EngineInputs

MANIFEST_SCHEMA = "ignitionhub.io/manifest/v1"
CHECKED = ("none", "model", "engine")

_SINCE_THE_FIRST_RELEASE: Mapping[str, Any] = {
    "typing": None,
    "settings": None,
    "engine_io": None,
    "plugins": (),
    "timing_cache": None,
    "environment": None,
}


@dataclass(frozen=True, slots=True)
class EngineFile:
    """The engine that counts: its key in the store, its SHA-256 as hex, its size in bytes."""

    key: str
    sha256: str
    size: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {"key": self.key, "sha256": self.sha256, "size": self.size}

    @classmethod
    def from_json(cls, document: Any) -> "EngineFile":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(key=read.text("key"), sha256=read.text("sha256"), size=read.integer("size"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFacts:
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
    typing: str | None = None
    settings: Mapping[str, Any] | None = field(default=None, hash=False)
    engine_io: Mapping[str, Any] | None = field(default=None, hash=False)
    plugins: tuple[Any, ...] = field(default=(), hash=False)
    timing_cache: Mapping[str, Any] | None = field(default=None, hash=False)
    environment: Mapping[str, Any] | None = field(default=None, hash=False)

    def __post_init__(self) -> None:
        one_of("BuildFacts.flavor", self.flavor, FLAVORS)
        one_of("BuildFacts.checked", self.checked, CHECKED)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {item.name: _ready(getattr(self, item.name)) for item in fields(self)}

    @classmethod
    def from_json(cls, document: Any) -> "BuildFacts":
        """Read the JSON object."""
        read = Fields.of(document, cls, **_SINCE_THE_FIRST_RELEASE)
        return cls(
            flavor=read.text("flavor"),
            tensorrt_version=read.text("tensorrt_version"),
            model=read.mapping("model"),
            tf32=read.mapping("tf32"),
            seconds=read.number("seconds"),
            cuda_version=read.optional_text("cuda_version"),
            driver=read.optional_text("driver"),
            gpu=read.optional_mapping("gpu"),
            parser_messages=tuple(read.items("parser_messages")),
            profiles=tuple(read.items("profiles")),
            flags=read.texts("flags"),
            converter=read.optional_mapping("converter"),
            peak_memory_bytes=read.optional_integer("peak_memory_bytes"),
            accuracy=read.optional_mapping("accuracy"),
            benchmark=read.optional_mapping("benchmark"),
            builder_image=read.optional_text("builder_image"),
            warnings=tuple(read.items("warnings")),
            checked=read.text("checked"),
            typing=read.optional_text("typing"),
            settings=read.optional_mapping("settings"),
            engine_io=read.optional_mapping("engine_io"),
            plugins=tuple(read.items("plugins")),
            timing_cache=read.optional_mapping("timing_cache"),
            environment=read.optional_mapping("environment"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One published engine; ``built_at`` is RFC 3339 UTC, ``provenance_key`` the signed statement on this."""

    identity: str
    inputs: EngineInputs
    engine: EngineFile
    provenance_key: str
    built_at: str
    build: BuildFacts
    schema: str = MANIFEST_SCHEMA

    def __post_init__(self) -> None:
        one_of("Manifest.schema", self.schema, (MANIFEST_SCHEMA,))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "schema": self.schema,
            "identity": self.identity,
            "inputs": self.inputs.to_json(),
            "engine": self.engine.to_json(),
            "provenance_key": self.provenance_key,
            "built_at": self.built_at,
            "build": self.build.to_json(),
        }

    def to_bytes(self) -> bytes:
        """Return the canonical bytes: those that are stored and signed."""
        return canonical_json(self.to_json())

    @classmethod
    def from_json(cls, document: Any) -> "Manifest":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            schema=read.text("schema"),
            identity=read.text("identity"),
            inputs=read.nested("inputs", EngineInputs.from_json),
            engine=read.nested("engine", EngineFile.from_json),
            provenance_key=read.text("provenance_key"),
            built_at=read.text("built_at"),
            build=read.nested("build", BuildFacts.from_json),
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> "Manifest":
        """Read what ``to_bytes`` wrote; raises ContractError for anything else."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ContractError(f"Manifest: not JSON ({error})") from error
        return cls.from_json(document)


def _ready(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
