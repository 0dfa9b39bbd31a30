"""
Make every onnxruntime session of an accuracy check, so that it computes what the graph says, on any CPU.

onnxruntime is made for speed. Left alone it puts int8 kernels in the place of Q/DQ nodes, and without VNNI
instructions those add in 16 bits and saturate: 0.5 instead of 64 (run: onnxruntime 1.31.1 on an emulated
Haswell). That would be a verdict about the CPU of the node and not about the engine.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnxruntime

EXACT: Mapping[str, str] = {"session.disable_quant_qdq": "1", "session.x64quantprecision": "1"}
"""Q/DQ nodes stay what they are, and an int8 kernel adds without saturating. Each is enough by itself."""
SATURATING = frozenset({"ConvInteger", "MatMulInteger", "QLinearConv", "QLinearMatMul"})
"""Operators that are such kernels themselves, whatever the options (run: onnxruntime 1.31.1)."""
ALL = 0
"""As many threads as there are cores."""
_FATAL = 4


def session_of(model: Path | Any, weights: Mapping[str, Any] | None = None, threads: int = ALL) -> Any:
    """
    Return the session that runs ``model``, a file or a ModelProto, on the CPU.

    ``weights`` are the OrtValues of a ModelProto whose weights lie elsewhere; ``threads`` compute one
    operator. onnxruntime raises classes of
    its own binding, RuntimeError and ValueError alike, for a model it cannot run.
    """
    options = _options(threads)
    if isinstance(model, Path):
        return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    if weights:
        options.add_external_initializers(list(weights), list(weights.values()))
    content = model.SerializeToString()
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _options(threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    # No operator is fused, moved or left out: a difference is the conversion's and not onnxruntime's.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    for name, value in EXACT.items():
        options.add_session_config_entry(name, value)
    # Threads that have nothing to do take no core from what runs beside.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Another copy of the weights, which a model that is run a few times does not earn back.
    options.add_session_config_entry("session.disable_prepacking", "1")
    # The arena keeps what it once held; the memory is wanted for the next model.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _FATAL
    return options
