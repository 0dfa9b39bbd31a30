"""
What the stages of a build hand to each other.

The parent gives a Task to a child process as JSON and gets a Prepared model, a Proof of it, a Compiled engine
or a Verified one back; the documents are read as strictly as every other of the contract, for a child has
parsed untrusted bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ignition_builder.files import Files
from ignition_hub.engine.codec import Whole
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.fields import one_of
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
class Prepared(Whole):
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
            self.converter.get("path"),
            (AS_IS, CONVERTED, QUANTIZED, FLAGS, CALIBRATOR),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof(Whole):
    """
    Whether the model that a conversion made is the model still; a wrong one is an error instead.

    ``record`` is what the manifest says of it: ``proven``, and the figures or ``why`` not.
    """

    record: Mapping[str, Any] = field(hash=False)
    warnings: tuple[Any, ...] = field(hash=False)
    peak_memory_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Compiled(Whole):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified(Whole):
    """
    What the accuracy and benchmark checks found; they passed, or there would be an error instead.

    ``checked`` is ``model`` when the converted model was compared, ``engine`` when the engine itself was, and
    ``none`` when nothing was; ``accuracy`` and ``benchmark`` are the figures, None where there are none.
    """

    checked: str
    accuracy: Mapping[str, Any] | None = field(hash=False)
    benchmark: Mapping[str, Any] | None = field(hash=False)
    warnings: tuple[Any, ...] = field(hash=False)
    peak_memory_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingCacheTask(Whole):
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Task(Whole):
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
