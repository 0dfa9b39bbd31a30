"""
Find the range of each activation that is to be quantized, by running the calibration data through the model.

One sample is in hand at a time. The largest absolute values are found inside the graph, so that no
activation is kept; for ``entropy`` a second pass counts histograms below them, of as many activations in one
run as HELD allows. Weights stay in their file, which onnxruntime maps.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from ignition_builder.checking.fresh import Fresh
from ignition_builder.precision.calibration import Samples
from ignition_builder.precision.entropy import BINS, best_bins

ENTROPY, MAX = "entropy", "max"
HELD = 256 * 1024 * 1024
"""Bytes of activations in hand at once while histograms are counted, or one activation that is larger."""

_EXTREMES: Mapping[str, Mapping[str, int]] = {
    # Kept dimensions, because onnxruntime reduces no axis of nothing otherwise (run: 1.31.1).
    "ReduceMax": {"keepdims": 1},
    "ReduceMin": {"keepdims": 1},
    "Size": {},
}
_PIECE = 1024 * 1024
_FATAL = 4


@dataclass(slots=True)
class Activation:
    """What is known of one: the largest absolute value, the most bytes a sample has, and a histogram."""

    largest: float = 0.0
    size: int = 0
    counts: Any = field(default_factory=lambda: np.zeros(BINS, np.int64))

    def reach(self, highest: Any, lowest: Any, count: Any) -> None:
        """Take in the extremes of ``count`` values."""
        if int(count):
            self.largest = max(self.largest, abs(float(highest.max())), abs(float(lowest.min())))
            self.size = max(self.size, int(count) * highest.itemsize)

    def count(self, values: Any) -> None:
        """Count the absolute values of an array in bins that are even between 0 and ``largest``."""
        flat = values.reshape(-1)
        for start in range(0, flat.size, _PIECE):
            places = np.abs(flat[start : start + _PIECE]).astype(np.float64) * (BINS / self.largest)
            bins = np.minimum(places[~np.isnan(places)].astype(np.int64), BINS - 1)
            self.counts += np.bincount(bins, minlength=BINS)

    @property
    def is_ranged(self) -> bool:
        """Whether a histogram says anything: there are values, and finite ones, that differ from zero."""
        return 0 < self.largest < np.inf

    @property
    def best(self) -> float:
        """The range with the least divergence."""
        return self.largest * best_bins(self.counts) / BINS


def ranges_of(
    model: Any, folder: Path, names: Sequence[str], samples: Samples, method: str
) -> dict[str, float]:
    """
    Return for each activation in ``names`` the absolute value that is to be the largest level.

    ``folder`` is where the weights of ``model`` lie, and takes a file for each pass; ``model`` is as before
    afterwards. onnxruntime raises classes of its own binding, RuntimeError and ValueError alike, for a model
    it cannot run.
    """
    found = _extremes(model, folder, names, samples)
    if method == MAX:
        return {name: item.largest for name, item in found.items()}
    _count(model, folder, {name: item for name, item in found.items() if item.is_ranged}, samples)
    return {name: item.best if item.is_ranged else item.largest for name, item in found.items()}


def _extremes(model: Any, folder: Path, names: Sequence[str], samples: Samples) -> dict[str, Activation]:
    found = {name: Activation() for name in names}
    fresh = Fresh(model)
    observed = {name: [fresh(f"{name}_{operator}") for operator in _EXTREMES] for name in names}
    nodes = [
        onnx.helper.make_node(operator, [name], [made], **attributes)
        for name in names
        for (operator, attributes), made in zip(_EXTREMES.items(), observed[name], strict=True)
    ]
    outputs = [made for several in observed.values() for made in several]
    session = _session(model, folder / "extremes.onnx", nodes, outputs)
    for sample in samples:
        values = dict(zip(outputs, session.run(outputs, sample), strict=True))
        for name, item in found.items():
            item.reach(*(values[made] for made in observed[name]))
    return found


def _count(model: Any, folder: Path, found: Mapping[str, Activation], samples: Samples) -> None:
    if not found:
        return
    session = _session(model, folder / "histograms.onnx", [], list(found))
    groups = list(_groups(found))
    for sample in samples:
        for group in groups:
            for name, values in zip(group, session.run(group, sample), strict=True):
                found[name].count(values)


def _groups(found: Mapping[str, Activation]) -> Iterator[list[str]]:
    """Yield names whose activations are held together."""
    group: list[str] = []
    held = 0
    for name, item in found.items():
        if group and held + item.size > HELD:
            yield group
            group, held = [], 0
        group.append(name)
        held += item.size
    yield group


def _session(model: Any, path: Path, nodes: Sequence[Any], outputs: Sequence[str]) -> Any:
    """Return a session of the model with ``nodes`` more, which gives ``outputs`` and nothing else."""
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    observed.graph.node.extend(nodes)
    del observed.graph.output[:]
    observed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    path.write_bytes(observed.SerializeToString())
    options = onnxruntime.SessionOptions()
    # Nothing is fused: an activation that is looked for would be gone.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # Either would hold another copy: of the weights, or of the largest sample.
    options.add_session_config_entry("session.disable_prepacking", "1")
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _FATAL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
