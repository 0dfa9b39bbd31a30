"""
What the stages of a build hand to each other.

The parent gives a Task to a child process as JSON and gets a Prepared model, a Proof of it, a Compiled engine
or a Verified one back; the documents are read as strictly as every other of the contract, for a child has
parsed untrusted bytes.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from ignition_builder.files import Files
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.fields import Fields, one_of
from ignition_hub.engine.identity import Profile
from ignition_hub.engine.request import TIMING_CACHES, BuildRequest

INSPECT = "inspect"
PROVE = "prove"
COMPILE = "compile"
VERIFY = "verify"
MERGE = "merge"

STRONG, WEAK = "Strong", "Weak"
"""How TensorRT chooses types: from the model alone, or freely below the precision flags."""

AS_IS, CONVERTED, QUANTIZED, FLAGS, CALIBRATOR = "AsIs", "Converted", "Quantized", "Flags", "Calibrator"
"""
The ways to a precision: the model had it, its ONNX was converted or quantized, or TensorRT is told by flags
or by a calibrator.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """
    A model that was checked and has the wanted precision.

    ``path`` is the file to compile; ``facts`` are opset, inputs and outputs of the model as it came;
    ``converter`` is the way to the precision: ``path`` (one of the words above), and ``name``, ``version``
    and ``arguments`` of what rewrote the model; ``profiles`` name every dynamic input; ``weights_bytes`` is
    the size of all weights in ``path``, 0 when nobody counted, and ``weight_files`` where they lie;
    ``warnings`` are ``{code, count}``.
    """

    path: str
    facts: Mapping[str, Any] = field(hash=False)
    converter: Mapping[str, Any] = field(hash=False)
    typing: str
    profiles: tuple[Profile, ...] = field(hash=False)
    warnings: tuple[Any, ...] = field(hash=False)
    peak_memory_bytes: int
    weights_bytes: int = 0
    weight_files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        one_of("Prepared.typing", self.typing, (STRONG, WEAK))
        one_of(
            "Prepared.converter.path",
            str(self.converter.get("path")),
            (AS_IS, CONVERTED, QUANTIZED, FLAGS, CALIBRATOR),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "path": self.path,
            "facts": dict(self.facts),
            "converter": dict(self.converter),
            "typing": self.typing,
            "profiles": [profile.to_json() for profile in self.profiles],
            "warnings": list(self.warnings),
            "peak_memory_bytes": self.peak_memory_bytes,
            "weights_bytes": self.weights_bytes,
            "weight_files": list(self.weight_files),
        }

    @classmethod
    def from_json(cls, document: Any) -> "Prepared":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            path=read.text("path"),
            facts=read.mapping("facts"),
            converter=read.mapping("converter"),
            typing=read.text("typing"),
            profiles=read.nested_items("profiles", Profile.from_json),
            warnings=tuple(read.items("warnings")),
            peak_memory_bytes=read.integer("peak_memory_bytes"),
            weights_bytes=read.integer("weights_bytes"),
            weight_files=read.texts("weight_files"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """
    Whether the model that a conversion made is the model still; a wrong one is an error instead.

    ``record`` is what the manifest says of it: ``proven``, and the figures or ``why`` not.
    """

    record: Mapping[str, Any] = field(hash=False)
    warnings: tuple[Any, ...] = field(hash=False)
    peak_memory_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> "Proof":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            record=read.mapping("record"),
            warnings=tuple(read.items("warnings")),
            peak_memory_bytes=read.integer("peak_memory_bytes"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled:
    """
    A serialized engine in ``path``: digest and size of its bytes, and how TensorRT really built it.

    ``settings`` are the properties in force, read back; ``engine_io`` the inputs and outputs as the network
    has them; ``gpu`` and ``driver`` are None where no GPU took part; ``plugins`` are the creators the network
    used; ``timing_cache`` says which was used and what it missed, None when there was none.
    """

    path: str
    sha256: str
    size: int
    tensorrt_version: str
    cuda_version: str | None
    driver: str | None = None
    gpu: Mapping[str, Any] | None = field(default=None, hash=False)
    flags: tuple[str, ...]
    settings: Mapping[str, Any] = field(hash=False)
    tf32_in_force: bool
    profiles: tuple[Any, ...] = field(hash=False)
    engine_io: Mapping[str, Any] = field(hash=False)
    parser_messages: tuple[Any, ...] = field(hash=False)
    plugins: tuple[Any, ...] = field(default=(), hash=False)
    timing_cache: Mapping[str, Any] | None = field(default=None, hash=False)
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
            driver=read.optional_text("driver"),
            gpu=read.optional_mapping("gpu"),
            flags=read.texts("flags"),
            settings=read.mapping("settings"),
            tf32_in_force=read.flag("tf32_in_force"),
            profiles=tuple(read.items("profiles")),
            engine_io=read.mapping("engine_io"),
            parser_messages=tuple(read.items("parser_messages")),
            plugins=tuple(read.items("plugins")),
            timing_cache=read.optional_mapping("timing_cache"),
            warnings=tuple(read.items("warnings")),
            peak_memory_bytes=read.integer("peak_memory_bytes"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """
    What the gates found; they passed, or there would be an error instead.

    ``checked`` is ``model`` when the converted model was compared, ``engine`` when the engine itself was, and
    ``none`` when nothing was; ``accuracy`` and ``benchmark`` are the figures, None where there are none.
    """

    checked: str
    accuracy: Mapping[str, Any] | None = field(hash=False)
    benchmark: Mapping[str, Any] | None = field(hash=False)
    warnings: tuple[Any, ...] = field(hash=False)
    peak_memory_bytes: int

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> "Verified":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            checked=read.text("checked"),
            accuracy=read.optional_mapping("accuracy"),
            benchmark=read.optional_mapping("benchmark"),
            warnings=tuple(read.items("warnings")),
            peak_memory_bytes=read.integer("peak_memory_bytes"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingCacheTask:
    """
    How a build uses TensorRT's timing cache; ``mode`` is one of TIMING_CACHES.

    ``path_in`` is the cache as the store has it, None when it has none; ``path_out`` is where the build
    leaves the cache it ends with, None when nobody wants it. ``key`` and ``etag`` say which one ``path_in``
    is, ``trouble`` why there is none although there could be. In stage merge ``path_in`` is added to
    ``path_out``.
    """

    mode: str
    path_in: str | None = None
    path_out: str | None = None
    key: str | None = None
    etag: str | None = None
    trouble: str | None = None

    def __post_init__(self) -> None:
        one_of("TimingCacheTask.mode", self.mode, TIMING_CACHES)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Any) -> "TimingCacheTask":
        """Read the JSON object."""
        read = Fields.of(document, cls)
        return cls(
            mode=read.text("mode"),
            path_in=read.optional_text("path_in"),
            path_out=read.optional_text("path_out"),
            key=read.optional_text("key"),
            etag=read.optional_text("etag"),
            trouble=read.optional_text("trouble"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """
    One stage for one child process.

    ``model`` is the path of the model as it came, ``folder`` a directory the child may write into;
    ``timing_cache`` says how to use one, None for TensorRT's own way: a cache that lives as long as the
    build. ``prepared`` and ``compiled`` are what earlier stages answered, None before them.
    """

    stage: str
    request: BuildRequest
    model: str
    folder: str
    log: str
    files: Files = field(default_factory=Files, hash=False)
    timing_cache: TimingCacheTask | None = None
    prepared: Prepared | None = None
    compiled: Compiled | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return {
            "stage": self.stage,
            "request": self.request.to_json(),
            "model": self.model,
            "folder": self.folder,
            "log": self.log,
            "files": self.files.to_json(),
            "timing_cache": self.timing_cache.to_json() if self.timing_cache else None,
            "prepared": self.prepared.to_json() if self.prepared else None,
            "compiled": self.compiled.to_json() if self.compiled else None,
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
            files=read.nested("files", Files.from_json),
            timing_cache=read.optional_nested("timing_cache", TimingCacheTask.from_json),
            prepared=read.optional_nested("prepared", Prepared.from_json),
            compiled=read.optional_nested("compiled", Compiled.from_json),
        )


def prepared_of(task: Task) -> Prepared:
    """Return what the first stage handed over; ContractError when it did not run."""
    if task.prepared is None:
        raise ContractError("Task.prepared: nothing was prepared", "run stage inspect first")
    return task.prepared


def compiled_of(task: Task) -> Compiled:
    """Return what the second stage handed over; ContractError when it did not run."""
    if task.compiled is None:
        raise ContractError("Task.compiled: nothing was compiled", "run stage compile first")
    return task.compiled


def counted(codes: Mapping[str, int]) -> tuple[dict[str, Any], ...]:
    """Return warnings as the manifest spells them: ``{code, count}``, sorted by code."""
    return tuple({"code": code, "count": count} for code, count in sorted(codes.items()) if count)
