"""
Convert a model to fp16 or bf16 without holding its weights.

The graph is rewritten while large weights are references; their values are converted on the way from the
old file into the new one.
"""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from onnx import inliner, shape_inference

from ignition_builder.checking.inspection import check_written, graphs_of, inputs_of, opset_of
from ignition_builder.checking.weights import Change, write_model
from ignition_builder.journal import Journal
from ignition_builder.precision.floats import DOUBLE, FLOAT, Narrow, Rounding
from ignition_builder.precision.narrowing import Narrowed, narrow_model
from ignition_builder.precision.normalization import fold_normalizations
from ignition_builder.precision.opset_raising import NotRaisedError, raised
from ignition_builder.precision.type_constraints import slots_of
from ignition_hub import __version__
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.quoting import on_one_line
from ignition_hub.engine.warnings import Warn

_DTYPES = {FLOAT: np.dtype("<f4"), DOUBLE: np.dtype("<f8")}


def convert(
    model: Any, path: Path, narrow: Narrow, folder: Path, journal: Journal
) -> tuple[Path, dict[str, Any]]:
    """
    Write ``model``, which lies in ``path``, in the type ``narrow`` into ``folder``; return the new file and
    what converted it.

    ``model`` is used up. Raises RequestError (UnsupportedPrecision) when it cannot be done.
    """
    came = opset_of(model)
    rounding = Rounding(narrow, journal)
    try:
        model = _raised(whole_graph(model), narrow, journal)
        folded = fold_normalizations(model, path.parent, narrow)
        model = shape_inference.infer_shapes(model)
        outcome = narrow_model(model, narrow, rounding)
    except RequestError:
        raise
    # ONNX's own tools fail on unusual graphs with whatever their code runs into.
    except Exception as error:
        raise _refusal(narrow, f"{type(error).__name__}: {on_one_line(str(error), 400)}") from error
    _warn_of(outcome, narrow, opset_of(model), journal)
    target = folder / f"{narrow.precision}.onnx"
    changes = {name: Change(_DTYPES[kind], rounding) for name, kind in outcome.later.items()}
    write_model(model, path.parent, target, changes)
    _check(target, narrow)
    return target, _record(narrow, (came, opset_of(model)), outcome, folded)


def whole_graph(model: Any) -> Any:
    """Return the model with its local functions inlined and weights no longer listed as inputs."""
    if model.functions:
        model = inliner.inline_local_functions(model)
    inputs = {item.name for item in inputs_of(model)}
    kept = [value for value in model.graph.input if value.name in inputs]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    # A weight that is no input is allowed from IR version 4.
    model.ir_version = max(model.ir_version, 4)
    return model


def _raised(model: Any, narrow: Narrow, journal: Journal) -> Any:
    """Return the model with the opset in which ONNX defines its operators for ``narrow``, if that helps."""
    came = opset_of(model)
    why = ""
    for opset in range(narrow.opset, came, -1):
        if not _gains(model, narrow, opset):
            break
        try:
            return raised(model, opset)
        except NotRaisedError as error:
            why = why or str(error)
    if why and came < narrow.begins:
        raise _too_old(narrow, came, why)
    if why:
        journal.note(f"the model stays at opset {came}: {why}")
    return model


def _gains(model: Any, narrow: Narrow, opset: int) -> bool:
    came = opset_of(model)
    return any(
        slots_of(node, narrow, came) != slots_of(node, narrow, opset)
        for graph in graphs_of(model.graph)
        for node in graph.node
    )


def _warn_of(outcome: Narrowed, narrow: Narrow, opset: int, journal: Journal) -> None:
    usual = f"ONNX opset {opset} or TensorRT has no {narrow.precision} for it"
    for (operator, why), count in sorted(outcome.kept.items()):
        journal.warn(Warn.MixedPrecision, f"{operator} stays fp32: {why or usual}", count)


def _check(target: Path, narrow: Narrow) -> None:
    try:
        check_written(target)
    except RequestError as error:
        target.unlink()
        raise _refusal(narrow, error.message) from error


def _record(narrow: Narrow, opsets: tuple[int, int], outcome: Narrowed, folded: int) -> dict[str, Any]:
    return {
        "name": "ignition-hub",
        "version": __version__,
        "arguments": {
            "type": narrow.precision,
            "keep_io_types": True,
            "opset": dict(zip(("from", "to"), opsets, strict=True)),
            "largest": narrow.largest,
            "smallest": narrow.smallest,
            "kept_wide": _by_operator(outcome),
            "kept_exact": dict(outcome.exact),
            "folded_normalizations": folded,
        },
    }


def _by_operator(outcome: Narrowed) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for (operator, _), count in outcome.kept.items():
        counts[operator] += count
    return dict(counts)


def _too_old(narrow: Narrow, opset: int, why: str) -> RequestError:
    return RequestError(
        Reason.UnsupportedPrecision,
        f"the model cannot be converted to {narrow.precision}: ONNX has it from opset {narrow.begins} on, "
        f"and the model's opset {opset} cannot be raised ({why})",
        f"export the model with opset {narrow.begins} or newer, or ask for fp16 or fp32",
    )


def _refusal(narrow: Narrow, why: str) -> RequestError:
    return RequestError(
        Reason.UnsupportedPrecision,
        f"the model cannot be converted to {narrow.precision} ({why})",
        "convert it before pushing, or ask for fp32",
    )
