"""
Run an ONNX file with onnxruntime on the CPU: the reference of the accuracy gate, and the converted model.

Optimizations are off, so that a difference is the conversion's and not onnxruntime's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ignition_builder.verifying.samples import Sample
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.words import on_one_line

NAME = "onnxruntime"
VERSION = str(onnxruntime.__version__)
FATAL = 4
NUMBERS = "biuf"
"""numpy's kinds of numbers that can be compared: bool, integers, floats."""


def outputs_of(model: Path, samples: Sequence[Sample], what: str) -> list[dict[str, Any]]:
    """
    Return the outputs for each sample, name to array.

    ``what`` names the file in a message. Raises RequestError (VerificationFailed) when onnxruntime cannot
    run it: then nothing can be said about accuracy here.
    """
    try:
        session = onnxruntime.InferenceSession(str(model), _options(), providers=["CPUExecutionProvider"])
        names = [item.name for item in session.get_outputs()]
        return [_run(session, names, sample.values) for sample in samples]
    # onnxruntime raises classes of its own binding, RuntimeError and ValueError alike.
    except Exception as error:
        raise RequestError(
            Reason.VerificationFailed,
            f"onnxruntime cannot run {what} on the CPU ({_said(error)})",
            "leave verification.accuracy out for this model, or verify it where its operators exist",
        ) from error


def _run(session: Any, names: list[str], values: Mapping[str, Any]) -> dict[str, Any]:
    outputs = dict(zip(names, session.run(names, dict(values)), strict=True))
    for name, value in outputs.items():
        if not isinstance(value, np.ndarray) or value.dtype.kind not in NUMBERS:
            raise TypeError(f"output {name} is not a tensor of numbers")
    return outputs


def _options() -> Any:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    # The arena keeps what it once held; the memory is wanted for the next model.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = FATAL
    return options


def _said(error: Exception) -> str:
    return on_one_line(f"{type(error).__name__}: {error}", 400)
