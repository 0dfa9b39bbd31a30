"""
The third stage of a build, in its own process: is the engine still the model?

Without a GPU the converted model, computed in the types it was given, is compared with the model as it came,
computed in fp32: what conversion and quantization can break. With one, the engine itself is compared, and
measured.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ignition_builder.arrays import load_arrays
from ignition_builder.checking.skeleton import load_skeleton
from ignition_builder.compiling.backend import open_backend
from ignition_builder.documents import (
    AS_IS,
    CALIBRATOR,
    FLAGS,
    QUANTIZED,
    Prepared,
    Task,
    Verified,
    compiled_of,
    counted,
    prepared_of,
)
from ignition_builder.journal import Journal
from ignition_builder.memory import peak
from ignition_builder.report import Report
from ignition_builder.verifying import benchmark, reference
from ignition_builder.verifying.accuracy import (
    OutputComparison,
    Tolerance,
    check,
    check_reference,
    compared,
)
from ignition_builder.verifying.answers import answers_of
from ignition_builder.verifying.cuda import Events
from ignition_builder.verifying.emulation import ENGINES
from ignition_builder.verifying.execution import Execution, executed, outputs_of
from ignition_builder.verifying.meaning import Meaning, meanings_of
from ignition_builder.verifying.sameness import computes_the_same
from ignition_builder.verifying.samples import WHERE, Sample, drawn, given
from ignition_builder.verifying.value_index import Shapes
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import TENSORRT, is_for_windows
from ignition_hub.engine.warnings import Warn

VERIFYING = "Verifying"
MEASURED = (QUANTIZED, CALIBRATOR)
"""Ways to a precision with ranges that were measured on data."""
MODEL, ENGINE = "model", "engine"


@dataclass(frozen=True, slots=True)
class CandidateOutputs:
    """What is compared with the model (``kind``: model or engine), its name in a message, its outputs."""

    kind: str
    words: str
    outputs: Sequence[Mapping[str, Any]]


def run(task: Task, report: Report, journal: Journal) -> dict[str, Any]:
    """Return a Verified as JSON; raises IgnitionError (VerificationFailed) when a check does not hold."""
    report.progress(VERIFYING, 0.0)
    prepared, checks = prepared_of(task), task.request.verification
    checked: str = "none"
    accuracy: dict[str, Any] | None = None
    speed: dict[str, Any] | None = None
    if wanted := checks.get("accuracy"):
        checked, accuracy = _accuracy(task, prepared, wanted, journal)
        report.progress(VERIFYING, 0.5)
    if wanted := checks.get("benchmark"):
        speed = _benchmark(task, prepared, wanted, journal)
    return Verified(
        checked=checked,
        accuracy=accuracy,
        benchmark=speed,
        warnings=counted(journal.warnings),
        peak_memory_bytes=peak(),
    ).to_json()


def _accuracy(
    task: Task, prepared: Prepared, wanted: Mapping[str, Any], journal: Journal
) -> tuple[str, dict[str, Any] | None]:
    if _nothing_differs(task, prepared):
        return _nothing_compared(task, prepared, journal)
    tolerance = _tolerance(wanted)
    samples, given = _references(task, _samples(task, prepared), journal)
    right = _of_the_engine(prepared, given)
    check_reference(right)
    candidate = _candidate(task, prepared, samples, journal)
    answers = answers_of(load_skeleton(Path(task.model)))
    figures = [
        item
        for one, other in zip(right, candidate.outputs, strict=True)
        for item in compared(one, other, tolerance, answers)
    ]
    check(figures, tolerance, candidate.words, is_calibrated=prepared.converter["path"] in MEASURED)
    _warn_of_overlooked(figures, tolerance, journal)
    return candidate.kind, {
        "against": f"{reference.NAME} {reference.VERSION}",
        "rtol": tolerance.rtol,
        "atol": tolerance.atol,
        "quantile": tolerance.quantile,
        "agreement": tolerance.agreement,
        "inputs": "given" if task.files.inputs else "drawn",
        "samples": len(samples),
        "outputs": [item.to_json() for item in figures],
    }


def _nothing_differs(task: Task, prepared: Prepared) -> bool:
    """Tell whether what can be run here, the model as it was built, is the model as it came."""
    if _runs_here(task) or prepared.converter["path"] != AS_IS:
        return False
    original, built = (load_skeleton(Path(path)) for path in (task.model, prepared.path))
    return computes_the_same(original, built, ENGINES)


def _nothing_compared(task: Task, prepared: Prepared, journal: Journal) -> tuple[str, None]:
    if task.files.inputs is not None:
        _samples(task, prepared)  # Those that do not fit are a mistake, wanted or not.
    journal.warn(
        Warn.NothingCompared,
        "verification.accuracy: the model was built as it came and its engine cannot be run here, so there "
        "is nothing to compare: a pool with the GPU compares the engine",
    )
    return "none", None


def _tolerance(wanted: Mapping[str, Any]) -> Tolerance:
    shares = {name: float(wanted.get(name, 1.0)) for name in ("quantile", "agreement")}
    return Tolerance(float(wanted["rtol"]), float(wanted["atol"]), **shares)


def _warn_of_overlooked(figures: Sequence[OutputComparison], tolerance: Tolerance, journal: Journal) -> None:
    """Name the outputs of which no sample could tell much."""
    told = {item.output for item in figures if not tolerance.overlooks(item)}
    for name, scale in {item.output: item.scale for item in figures if item.output not in told}.items():
        journal.warn(
            Warn.ToleranceTooWide,
            f"verification.accuracy: the values of output {name} are usually about {scale:.2g} and atol is "
            f"{tolerance.atol:g}, so wrong values would pass: give a much smaller atol, or "
            "inputs with larger outputs",
        )


def _of_the_engine(prepared: Prepared, outputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the outputs that the engine has: one that repeats an input by name was left out of it."""
    names = {item["name"] for item in prepared.facts["outputs"]}
    return [{name: values for name, values in sample.items() if name in names} for sample in outputs]


def _benchmark(task: Task, prepared: Prepared, wanted: Mapping[str, Any], journal: Journal) -> dict[str, Any]:
    if not _runs_here(task):
        raise RequestError(
            Reason.UnsupportedOption,
            "verification.benchmark: the engine cannot be run where it is built, so it cannot be measured",
            "leave it out, or build on a pool whose nodes have the GPU",
        )
    sample = _drawn(task, prepared)[0]
    with executed(open_backend(task.request.inputs).trt, _plan(task), journal) as execution:
        execution.bind(sample)
        with execution.events() as events:
            times = benchmark.measured(partial(_timed, execution, events), float(wanted["seconds"]))
    found = benchmark.figures(times)
    benchmark.check(found, wanted.get("maxLatency"))
    return found


def _timed(execution: Execution, events: Events) -> float:
    events.begin()
    execution.once()
    return events.milliseconds()


def _candidate(
    task: Task, prepared: Prepared, samples: Sequence[Sample], journal: Journal
) -> CandidateOutputs:
    if _runs_here(task):
        trt, plan = open_backend(task.request.inputs).trt, _plan(task)
        return CandidateOutputs(ENGINE, "the engine", outputs_of(trt, plan, samples, journal))
    _require_known_types(task, prepared)
    words = (
        "the model in its own types"
        if prepared.converter["path"] == AS_IS
        else f"the {_precision(task)} model"
    )
    outputs = reference.outputs_of(Path(prepared.path), samples, words, ENGINES)
    return CandidateOutputs(MODEL, words, outputs)


def _require_known_types(task: Task, prepared: Prepared) -> None:
    """Raise RequestError (UnsupportedOption) where TensorRT chose the types and nobody can run its choice."""
    if prepared.converter["path"] in (FLAGS, CALIBRATOR):
        release = task.request.inputs.release
        raise RequestError(
            Reason.UnsupportedOption,
            f"verification.accuracy: {release} itself chooses what it computes in {_precision(task)}, and "
            "the engine cannot be run where it is built, so nothing can be compared with the model",
            "leave it out, build an engine that runs on the pool's GPU, or use a TensorRT from 10.12",
        )


def _samples(task: Task, prepared: Prepared) -> list[Sample]:
    inputs = prepared.facts["inputs"]
    if task.files.inputs is None:
        return _drawn(task, prepared)
    return given(load_arrays(task.files.inputs, WHERE), inputs, prepared.profiles)


def _drawn(task: Task, prepared: Prepared) -> list[Sample]:
    def meanings(shapes: Shapes) -> Mapping[str, Meaning]:
        return meanings_of(load_skeleton(Path(task.model)), shapes)

    return drawn(prepared.facts["inputs"], prepared.profiles, meanings)


def _references(
    task: Task, samples: Sequence[Sample], journal: Journal
) -> tuple[list[Sample], list[dict[str, Any]]]:
    """Return the samples that the model runs on, at the ends of a profile too, and its outputs."""
    model = reference.Runnable(Path(task.model), "the model")
    run, right = [], []
    for sample in samples:
        try:
            right.append(model.outputs(sample))
            run.append(sample)
        except RequestError as error:
            if not sample.is_extreme:
                raise
            sizes = {name: list(values.shape) for name, values in sample.values.items()}
            journal.warn(Warn.ShapesNotCompared, f"not compared in the shapes {sizes}: {error.message}")
    return run, right


def _precision(task: Task) -> str:
    return task.request.inputs.precision


def _runs_here(task: Task) -> bool:
    """Tell whether the engine runs where it was built: not without a GPU, for Windows, or stripped."""
    inputs = task.request.inputs
    runs = not is_for_windows(inputs.options) and not inputs.options.get("stripPlan")
    return inputs.flavor == TENSORRT and runs


def _plan(task: Task) -> Path:
    return Path(compiled_of(task).path)
