"""
What a builder is asked to do.

The controller writes a BuildRequest on the Job; the gateway reads it there, adds a short-lived model URL
and answers the builder's ``GET /v1/builds/self`` with a BuildGrant. Nothing else tells a builder what to
build.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.fields import Fields
from ignition_hub.engine.identity import EngineInputs


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """
    One engine to build.

    ``model_sha256`` is set when the source is pinned; ``source_size`` is in bytes; ``name`` is the engine's
    file name; ``namespace`` and ``engine_resource`` are the TensorRTEngine that asked first (a build may
    serve many).
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

    def __post_init__(self) -> None:
        # What is built must be what the identity says, or one engine would answer for another.
        for name in ("options", "verification"):
            if canonical_json(getattr(self, name)) != canonical_json(getattr(self.inputs, name)):
                raise ContractError(
                    f"BuildRequest.{name}: differs from inputs.{name}, which the identity covers"
                )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "identity": self.identity,
            "inputs": self.inputs.to_json(),
            "model_sha256": self.model_sha256,
            "model_uri": self.model_uri,
            "source_size": self.source_size,
            "options": dict(self.options),
            "verification": dict(self.verification),
            "timeout_seconds": self.timeout_seconds,
            "low_memory": self.low_memory,
            "name": self.name,
            "namespace": self.namespace,
            "engine_resource": self.engine_resource,
        }

    @classmethod
    def from_json(cls, document: Any) -> "BuildRequest":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            identity=read.text("identity"),
            inputs=read.nested("inputs", EngineInputs.from_json),
            model_sha256=read.optional_text("model_sha256"),
            model_uri=read.text("model_uri"),
            source_size=read.optional_integer("source_size"),
            options=read.mapping("options"),
            verification=read.mapping("verification"),
            timeout_seconds=read.integer("timeout_seconds"),
            low_memory=read.flag("low_memory"),
            name=read.text("name"),
            namespace=read.text("namespace"),
            engine_resource=read.text("engine_resource"),
        )


@dataclass(frozen=True, slots=True)
class BuildGrant:
    """A request and what it takes to begin: a short-lived model URL, its size and the largest in bytes."""

    request: BuildRequest
    model_url: str
    model_size: int
    max_model_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "request": self.request.to_json(),
            "model_url": self.model_url,
            "model_size": self.model_size,
            "max_model_bytes": self.max_model_bytes,
        }

    @classmethod
    def from_json(cls, document: Any) -> "BuildGrant":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            request=read.nested("request", BuildRequest.from_json),
            model_url=read.text("model_url"),
            model_size=read.integer("model_size"),
            max_model_bytes=read.integer("max_model_bytes"),
        )
