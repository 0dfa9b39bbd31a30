"""
The runs that prove a conversion, all on the same numbers: the model as it came and the one that was made.

Of a quantized model the first calibration sample is taken, of others numbers are drawn in the smallest shapes
of the first profile; in the usual ones where the model does not run in these.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ignition_builder.checking.inspection import inputs_of
from ignition_builder.checking.skeleton import load_skeleton
from ignition_builder.documents import QUANTIZED, Prepared, Task
from ignition_builder.precision.calibration import first_sample
from ignition_builder.verifying.emulation import AS_FP32, ENGINES, Arithmetic
from ignition_builder.verifying.meaning import Meaning, meanings_of
from ignition_builder.verifying.reference import Runnable
from ignition_builder.verifying.rounding import ModelChange, with_rounded_weights, without_levels
from ignition_builder.verifying.samples import Sample, smallest
from ignition_builder.verifying.value_index import Shapes
from ignition_hub.engine.errors import RequestError

DRAWN, CALIBRATION = "drawn", "calibration"
THREADS = 1
"""The engine is compiled meanwhile, on a machine that may have two cores."""

Outputs = Mapping[str, Any]


class Runs:
    """
    ``right`` is what the model gives, computed in fp32 as TensorRT reads it, and ``inputs`` says what on.

    Every method runs a model and raises RequestError where onnxruntime cannot.
    """

    def __init__(self, task: Task, prepared: Prepared) -> None:
        self._came, self._made = Path(task.model), Path(prepared.path)
        self._precision = task.request.inputs.precision
        self.inputs = CALIBRATION if prepared.converter["path"] == QUANTIZED else DRAWN
        samples = _calibrated(task) if self.inputs == CALIBRATION else _drawn(task, prepared)
        names = [item["name"] for item in prepared.facts["outputs"]]
        self._sample, outputs = self._first(samples)
        # One that repeats an input by name was left out of the engine.
        self.right = {name: outputs[name] for name in names}

    def own(self) -> Outputs:
        """Return what the converted model gives in its own types."""
        return self._outputs(self._made, f"the {self._precision} model", ENGINES)

    def plain(self) -> Outputs:
        """Return what it gives when nothing but its weights is rounded."""
        return self._outputs(self._made, f"the {self._precision} model in fp32", AS_FP32, without_levels)

    def rounded(self) -> Outputs:
        """Return what the model gives with weights that are rounded as the precision rounds them."""
        words = f"the model with weights in {self._precision}"
        return self._outputs(self._came, words, AS_FP32, with_rounded_weights(self._precision))

    def _first(self, samples: Sequence[Sample]) -> tuple[Sample, Outputs]:
        model = Runnable(self._came, "the model", AS_FP32, threads=THREADS)
        *others, last = samples
        for sample in others:
            try:
                return sample, model.outputs(sample)
            except RequestError:
                continue
        return last, model.outputs(last)

    def _outputs(
        self, path: Path, what: str, arithmetic: Arithmetic, change: ModelChange | None = None
    ) -> Outputs:
        return Runnable(path, what, arithmetic, change, threads=THREADS).outputs(self._sample)


def _calibrated(task: Task) -> list[Sample]:
    assert task.files.calibration is not None  # or there were no ranges
    return [Sample(0, first_sample(task.files.calibration, inputs_of(load_skeleton(Path(task.model)))))]


def _drawn(task: Task, prepared: Prepared) -> list[Sample]:
    def meanings(shapes: Shapes) -> Mapping[str, Meaning]:
        return meanings_of(load_skeleton(Path(task.model)), shapes)

    return smallest(prepared.facts["inputs"], prepared.profiles, meanings)
