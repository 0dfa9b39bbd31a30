"""
One model through the builder: an engine, a refusal with a reason, or a failure of ours.
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx

from ignition_builder.documents import INSPECT, Prepared, Task
from ignition_builder.pipeline import build_with, digests_of
from ignition_hub.engine.errors import ENDINGS, IgnitionError
from ignition_hub.engine.identity import BatchRange, Profile, ShapeRange
from ignition_hub.engine.request import BuildRequest
from smallmodels import request_for
from zoo.forked import ForkedChild, forked_processes, warm

WORKERS = 2
DEADLINE_SECONDS = 120
BUILT, REFUSED, FAILED = "built", "refused", "failed"

_OURS = re.compile(
    r"the build process (failed in stage|exited with status|returned|closed)|Traceback|logged no error"
)
"""What only an error without a type, or a silent failure, says."""
GIVEN = "its values given"
CONSTANT = "its constants in the model"
MOST_REMEDIES = 6
_VALUES_WANTED = re.compile(r"profiles\[0\]\.values\.(\w+): TensorRT computes a shape")
_CONSTANT_WANTED = "make it a constant of the model"
_SIGNAL = re.compile(r"the build process was terminated by (\w+)")


@dataclass(frozen=True)
class Trial:
    """
    A model to build: ``shapes`` are used for inputs with free dimensions, ``values`` when the builder asks.

    ``shape_tensors`` are the inputs it asked the values of.
    """

    name: str
    content: bytes
    precision: str = "fp32"
    arch: str = "sm_86"
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    values: Mapping[str, bytes] = field(default_factory=dict)
    shape_tensors: frozenset[str] = frozenset()
    is_only_inspected: bool = False


@dataclass(frozen=True)
class Outcome:
    """
    What came of it; ``signal`` names the one that ended a build process, ``remedy`` what had to be done.

    ``remedy`` is what the builder's refusal said would work, and what was then done.
    """

    name: str
    state: str
    seconds: float
    size: int = 0
    reason: str = ""
    message: str = ""
    signal: str = ""
    remedy: str = ""


def outcomes(trials: Sequence[Trial], workers: int = WORKERS) -> Iterator[Outcome]:
    """Yield what came of each trial, in order, from a few processes that have everything loaded."""
    warm()
    with ProcessPoolExecutor(workers, mp_context=get_context("fork")) as pool:
        yield from pool.map(outcome_of, trials, chunksize=4)


def outcome_of(trial: Trial) -> Outcome:
    """Build one model and say how it ended; where a refusal says what would work, do that and build again."""
    outcome, remedies = _tried(trial), list[str]()
    for _ in range(MOST_REMEDIES):
        better = remedied(trial, outcome)
        if better is None:
            break
        trial, words = better
        after = _tried(trial)
        outcome = replace(after, seconds=outcome.seconds + after.seconds)
        if words not in remedies:
            remedies.append(words)
    return replace(outcome, remedy=" and ".join(remedies) if outcome.state == BUILT else "")


def remedied(trial: Trial, outcome: Outcome) -> tuple[Trial, str] | None:
    """Return the trial with what ``outcome`` asks for, and what that is; None when nothing is left to do."""
    if outcome.state != REFUSED:
        return None
    asked = _VALUES_WANTED.search(outcome.message)
    if asked and asked[1] in trial.values and asked[1] not in trial.shape_tensors:
        return replace(trial, shape_tensors=trial.shape_tensors | {asked[1]}), GIVEN
    if _CONSTANT_WANTED in outcome.message and trial.values:
        return replace(trial, content=with_constants(trial), values={}, shape_tensors=frozenset()), CONSTANT
    return None


def with_constants(trial: Trial) -> bytes:
    """Return the model with its small inputs turned into constants, except the first."""
    model = onnx.ModelProto.FromString(trial.content)
    for item in list(model.graph.input)[1:]:
        if item.name in trial.values:
            model.graph.initializer.append(onnx.TensorProto.FromString(trial.values[item.name]))
            model.graph.input.remove(item)
    return bytes(model.SerializeToString())


def _tried(trial: Trial) -> Outcome:
    started = time.monotonic()
    with TemporaryDirectory(prefix="zoo-") as folder:
        state, size, reason, message = _ended(trial, Path(folder))
    ended_by = _SIGNAL.search(message)
    return Outcome(
        name=trial.name,
        state=state,
        seconds=round(time.monotonic() - started, 3),
        size=size,
        reason=reason,
        message=message,
        signal=ended_by[1] if ended_by else "",
    )


def _ended(trial: Trial, folder: Path) -> tuple[str, int, str, str]:
    model = folder / "model.onnx"
    model.write_bytes(trial.content)
    request = request_for(
        trial.precision, trial.arch, profiles=profiles_of(trial), timeout_seconds=DEADLINE_SECONDS
    )
    try:
        if trial.is_only_inspected:
            inspect(request, model, folder)
            return BUILT, 0, "", ""
        with forked_processes(folder / "build.log") as processes:
            built = build_with(processes, request, model, folder, lambda *_: None, digests=digests_of(model))
    except IgnitionError as error:
        return (REFUSED if is_typed(error) else FAILED), 0, str(error.reason), str(error)
    except Exception as error:  # noqa: BLE001  (whatever else comes out is what this looks for)
        return FAILED, 0, type(error).__name__, str(error)
    return BUILT, built.size, "", ""


def inspect(request: BuildRequest, model: Path, folder: Path) -> Prepared:
    """Run the first stage alone."""
    log = folder / "build.log"
    task = Task(stage=INSPECT, request=request, model=str(model), folder=str(folder), log=str(log))
    with ForkedChild(INSPECT, log) as child:
        answer = child.run(task, lambda *_: None, time.monotonic() + request.timeout_seconds)
    return Prepared.from_json(answer)


def is_typed(error: IgnitionError) -> bool:
    """Whether an error is one of the table, says something, and is not a crash or a bug in other words."""
    message = str(error)
    return ENDINGS[error.reason].builder is not None and bool(message) and not _OURS.search(message)


def profiles_of(trial: Trial) -> list[Profile]:
    """Return the profile that a model with free dimensions needs: its own shapes, shorthand for the rest."""
    try:
        graph = onnx.ModelProto.FromString(trial.content).graph
    except Exception:  # noqa: BLE001  (a broken file has no inputs to say anything about)
        return []
    inputs = {item.name: item.type.tensor_type for item in graph.input}
    free = {name for name, kind in inputs.items() if not _fixed(kind)}
    if not free and not trial.shape_tensors:
        return []
    shapes = {name: ShapeRange(shape, shape, shape) for name, shape in trial.shapes.items() if name in free}
    rest = [inputs[name] for name in free - shapes.keys() if inputs[name].HasField("shape")]
    batch = any(kind.shape.dim and not kind.shape.dim[0].HasField("dim_value") for kind in rest)
    later = any(not dim.HasField("dim_value") for kind in rest for dim in kind.shape.dim[1:])
    values = {name: _exactly(trial.values[name]) for name in sorted(trial.shape_tensors)}
    return [Profile(shapes, values, BatchRange(1, 2, 4) if batch else None, 8 if later else None)]


def _exactly(content: bytes) -> ShapeRange:
    tensor = onnx.numpy_helper.to_array(onnx.TensorProto.FromString(content))
    values = tuple(int(value) for value in tensor.reshape(-1))
    return ShapeRange(values, values, values)


def _fixed(kind: onnx.TypeProto.Tensor) -> bool:
    return kind.HasField("shape") and all(dim.HasField("dim_value") for dim in kind.shape.dim)
