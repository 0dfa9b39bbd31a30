"""
Find the range of each activation that is to be quantized, by running the calibration data through the model.

One sample is in hand at a time. The largest absolute values are found inside the graph, so that no
activation is kept; for ``entropy`` a second pass counts histograms below them, of as many activations in one
run as HELD allows. Weights stay in their file, which onnxruntime maps.

A range is that of finite values: what is infinite becomes the largest level in any range. Where there is
anything else, its sum says so, and the values themselves are looked at: onnxruntime's ReduceMax loses the
largest value beside NaN (run: 1.31.1; of 0 to 1023 with NaN for 1 it gives 1022).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from ignition_builder.checking.fresh import Fresh
from ignition_builder.journal import Journal
from ignition_builder.precision.calibration import WHERE, Samples
from ignition_builder.precision.entropy import BINS, best_bins
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.warnings import Warn

ENTROPY, MAX = "entropy", "max"
HELD = 256 * 1024 * 1024
"""Bytes of activations in hand at once while histograms are counted, or one activation that is larger."""

_EXTREMES: Mapping[str, Mapping[str, int]] = {
    # Kept dimensions, because onnxruntime reduces no axis of nothing otherwise (run: 1.31.1).
    "ReduceMax": {"keepdims": 1},
    "ReduceMin": {"keepdims": 1},
    "ReduceSum": {"keepdims": 1},
    "Size": {},
}
_PIECE = 1024 * 1024
_FATAL = 4


@dataclass(slots=True)
class Activation:
    """
    What is known of one: the largest absolute value that is finite, the most bytes a sample has, a histogram,
    whether some value may not be finite (``is_doubtful``), how many are (``finite``) and are not (``lost``).
    """

    largest: float = 0.0
    size: int = 0
    counts: Any = field(default_factory=lambda: np.zeros(BINS, np.int64))
    is_doubtful: bool = False
    finite: int = 0
    lost: int = 0

    def reach(self, highest: Any, lowest: Any, total: Any, count: Any) -> None:
        """Take in the extremes of ``count`` values, and their sum."""
        if not int(count):
            return
        self.size = max(self.size, int(count) * highest.itemsize)
        if np.isfinite(total).all():
            self.finite += int(count)
            self.largest = max(self.largest, abs(float(highest.max())), abs(float(lowest.min())))
        else:
            self.is_doubtful = True

    def look(self, values: Any) -> None:
        """Take in the values themselves."""
        for piece in _pieces(values):
            finite = piece[np.isfinite(piece)]
            self.finite += finite.size
            self.lost += piece.size - finite.size
            self.largest = max(self.largest, float(np.abs(finite).max(initial=0)))

    def count(self, values: Any) -> None:
        """Count the absolute values of an array in bins that are even between 0 and ``largest``."""
        for piece in _pieces(values):
            places = np.abs(piece[np.isfinite(piece)]).astype(np.float64) * (BINS / self.largest)
            bins = np.minimum(places.astype(np.int64), BINS - 1)
            self.counts += np.bincount(bins, minlength=BINS)

    @property
    def is_ranged(self) -> bool:
        """Whether a histogram says anything: there are finite values that differ from zero."""
        return self.largest > 0

    @property
    def best(self) -> float:
        """The range with the least divergence."""
        return self.largest * best_bins(self.counts) / BINS


def ranges_of(
    model: Any, folder: Path, names: Sequence[str], samples: Samples, *, method: str, journal: Journal
) -> dict[str, float]:
    """
    Return for each activation in ``names`` the absolute value that is to be the largest level.

    ``folder`` is where the weights of ``model`` lie, and takes a file for each pass; ``model`` is as before
    afterwards. Warns of activations that were not finite everywhere; RequestError (InvalidRequest) for one
    that nowhere was. onnxruntime raises classes of its own binding, RuntimeError and ValueError alike, for a
    model it cannot run.
    """
    found = _extremes(model, folder, names, samples)
    doubtful = {name: item for name, item in found.items() if item.is_doubtful}
    _each(model, folder / "doubtful.onnx", doubtful, samples, Activation.look)
    _warn_of(doubtful, journal)
    if method == MAX:
        return {name: item.largest for name, item in found.items()}
    ranged = {name: item for name, item in found.items() if item.is_ranged}
    _each(model, folder / "histograms.onnx", ranged, samples, Activation.count)
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


def _each(
    model: Any,
    path: Path,
    found: Mapping[str, Activation],
    samples: Samples,
    take: Callable[[Activation, Any], None],
) -> None:
    """Let every activation ``take`` its values in every sample."""
    if not found:
        return
    session = _session(model, path, [], list(found))
    groups = list(_groups(found))
    for sample in samples:
        for group in groups:
            for name, values in zip(group, session.run(group, sample), strict=True):
                take(found[name], values)


def _warn_of(found: Mapping[str, Activation], journal: Journal) -> None:
    for name, item in found.items():
        if item.lost and not item.finite:
            raise RequestError(
                Reason.InvalidRequest,
                f"{WHERE}: {name} is NaN or infinite in every sample, so its range is unknown",
                "give inputs that are typical for the model",
            )
        if item.lost:
            journal.warn(
                Warn.CalibrationNotFinite,
                f"{name}: {item.lost} values of the calibration data are NaN or infinite, which int8 has "
                "not; its range is that of the others",
            )


def _pieces(values: Any) -> Iterator[Any]:
    flat = values.reshape(-1)
    for start in range(0, flat.size, _PIECE):
        yield flat[start : start + _PIECE]


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
