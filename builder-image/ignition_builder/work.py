"""
What the stages of a build hand to each other.

The parent gives a Task to a child process as JSON and gets a Prepared model or a Compiled engine back; the
documents are read as strictly as every other of the contract, for a child has parsed untrusted bytes.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ignition_hub.engine.fields import Fields
from ignition_hub.engine.request import BuildRequest

INSPECT = "inspect"
COMPILE = "compile"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One stage for one child process; ``model`` is a path, ``folder`` a directory it may write into."""

    stage: str
    request: BuildRequest
    model: str
    folder: str
    log: str

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "stage": self.stage,
            "request": self.request.to_json(),
            "model": self.model,
            "folder": self.folder,
            "log": self.log,
        }

    @classmethod
    def from_json(cls, document: Any) -> "Task":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            stage=read.text("stage"),
            request=read.nested("request", BuildRequest.from_json),
            model=read.text("model"),
            folder=read.text("folder"),
            log=read.text("log"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """
    A model that was checked and has the wanted precision.

    ``path`` is the file to compile; ``facts`` are opset, inputs and outputs of the model as it came;
    ``converter`` says what rewrote it, None when nothing did; ``warnings`` are ``{code, count}``.
    """

    path: str
    facts: Mapping[str, Any] = field(hash=False)
    converter: Mapping[str, Any] | None = field(hash=False)
    warnings: tuple[Any, ...] = field(hash=False)
    peak_memory_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> "Prepared":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            path=read.text("path"),
            facts=read.mapping("facts"),
            converter=read.optional_mapping("converter"),
            warnings=tuple(read.items("warnings")),
            peak_memory_bytes=read.integer("peak_memory_bytes"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """A serialized engine in ``path``: digest and size of its bytes, and how TensorRT really built it."""

    path: str
    sha256: str
    size: int
    tensorrt_version: str
    cuda_version: str | None
    flags: tuple[str, ...]
    tf32_in_force: bool
    profiles: tuple[Any, ...] = field(hash=False)
    parser_messages: tuple[Any, ...] = field(hash=False)
    warnings: tuple[Any, ...] = field(hash=False)
    peak_memory_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> "Compiled":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            path=read.text("path"),
            sha256=read.text("sha256"),
            size=read.integer("size"),
            tensorrt_version=read.text("tensorrt_version"),
            cuda_version=read.optional_text("cuda_version"),
            flags=read.texts("flags"),
            tf32_in_force=read.flag("tf32_in_force"),
            profiles=tuple(read.items("profiles")),
            parser_messages=tuple(read.items("parser_messages")),
            warnings=tuple(read.items("warnings")),
            peak_memory_bytes=read.integer("peak_memory_bytes"),
        )


def counted(codes: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
    """Return warnings as the manifest spells them: ``{code, count}``, sorted by code."""
    return tuple({"code": code, "count": count} for code, count in sorted(codes.items()) if count)
