"""
Run an ONNX file with onnxruntime on the CPU: the reference of the accuracy check, and the converted model.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ignition_builder.checking.inspection import nodes_of
from ignition_builder.checking.skeleton import load_skeleton
from ignition_builder.verifying.emulation import WIDE, Arithmetic, retyped
from ignition_builder.verifying.mapping import mapped_weights, take_in_inner_weights
from ignition_builder.verifying.rounding import ModelChange
from ignition_builder.verifying.samples import Sample
from ignition_builder.verifying.session import ALL, SATURATING, session_of
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.quoting import on_one_line

NAME = "onnxruntime"
VERSION = str(onnxruntime.__version__)
NUMBERS = "biuf"
"""numpy's kinds of numbers that can be compared: bool, integers, floats."""


def outputs_of(
    path: Path, samples: Sequence[Sample], what: str, arithmetic: Arithmetic = WIDE
) -> list[dict[str, Any]]:
    """
    Return the outputs for each sample, name to array.

    ``what`` names the file in a message. Raises RequestError (VerificationFailed) when onnxruntime cannot
    run it: then nothing can be said about accuracy here.
    """
    model = Runnable(path, what, arithmetic)
    return [model.outputs(sample) for sample in samples]


class Runnable:
    """
    A model that is ready to run, after a ``change`` if any, on so many ``threads``; RequestError as in
    ``outputs_of``.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        arithmetic: Arithmetic = WIDE,
        change: ModelChange | None = None,
        *,
        threads: int = ALL,
    ) -> None:
        self._what = what
        with self._telling():
            model = load_skeleton(path)
            _check_exact(model)
            take_in_inner_weights(model, path.parent)
            rewritten = retyped(model, arithmetic)
            if change:
                rewritten = change(rewritten or model)
            # They have to live as long as the session.
            self._weights = mapped_weights(rewritten, path.parent) if rewritten else {}
            self._session = session_of(rewritten or path, self._weights, threads)
            self._names = [item.name for item in self._session.get_outputs()]

    def outputs(self, sample: Sample) -> dict[str, Any]:
        """Return the outputs for one sample, name to array."""
        with self._telling():
            values = self._session.run(self._names, _fed(self._session, sample.values))
            outputs = dict(zip(self._names, values, strict=True))
            for name, value in outputs.items():
                if not isinstance(value, np.ndarray) or value.dtype.kind not in NUMBERS:
                    raise TypeError(f"output {name} is not a tensor of numbers")
            return outputs

    @contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        # onnxruntime raises classes of its own binding, RuntimeError and ValueError alike.
        except Exception as error:
            raise RequestError(
                Reason.VerificationFailed,
                f"onnxruntime cannot run {self._what} on the CPU ({_said(error)})",
                "leave verification.accuracy out for this model, or verify it where its operators exist",
            ) from error


def _check_exact(model: Any) -> None:
    for node in nodes_of(model):
        if node.op_type in SATURATING:
            raise ValueError(f"its sums in {node.op_type} saturate on a CPU without VNNI")


def _fed(session: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers as fp32 where the session takes that for a type that was taken away."""
    wide = {item.name for item in session.get_inputs() if item.type == "tensor(float)"}
    return {name: array.astype(np.float32) if name in wide else array for name, array in values.items()}


def _said(error: Exception) -> str:
    return on_one_line(f"{type(error).__name__}: {error}", 400)
