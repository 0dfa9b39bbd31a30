"""
The compiled model in its own types, by another way than the check's where there is one.

onnxruntime computes fp16 in fp32 between casts that it puts in, and takes them out again where two meet. Two
Identity nodes behind every value keep them apart, so that each is rounded (one alone is computed in fp32 as
well, and its casts go with the others; run: onnxruntime 1.31.1). Q/DQ nodes stay what they are. Nothing of
the product is used for that. A model of bf16, which onnxruntime refuses, or of DOUBLE, which TensorRT reads
as FLOAT, is written in fp32 before (``widening``); where that cannot be done it is computed as in the check.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime

from ignition_builder.verifying.emulation import ENGINES
from ignition_builder.verifying.kinds import has_any
from ignition_builder.verifying.reference import outputs_of
from ignition_builder.verifying.samples import Sample
from realzoo.widening import WIDENED, UntypedError, in_fp32

OWN, THE_CHECK = "own", "the check's"
_CPU = ["CPUExecutionProvider"]


def as_it_came(path: Path, samples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run a model as anybody would: onnxruntime with its default settings."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return _run(onnxruntime.InferenceSession(str(path), options, providers=_CPU), samples)


def as_compiled(path: Path, samples: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """Compute a model in its own types; return the outputs, and whose emulation it was."""
    model = onnx.load(str(path))
    if has_any(model, WIDENED):
        try:
            model = in_fp32(model)
        except UntypedError:
            return outputs_of(path, [Sample(0, sample) for sample in samples], "it", ENGINES), THE_CHECK
    keep_apart(model.graph)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.add_session_config_entry("session.disable_quant_qdq", "1")
    options.add_session_config_entry("session.x64quantprecision", "1")
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=_CPU)
    return _run(session, samples), OWN


def keep_apart(graph: Any) -> None:
    """Put two Identity nodes behind every value that a node of ``graph``, or of a graph inside it, makes."""
    nodes = []
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                keep_apart(inner)
        nodes.append(node)
        for index, name in enumerate(node.output):
            if name:
                node.output[index], between = f"{name}__before", f"{name}__between"
                nodes.append(onnx.helper.make_node("Identity", [node.output[index]], [between]))
                nodes.append(onnx.helper.make_node("Identity", [between], [name]))
    del graph.node[:]
    graph.node.extend(nodes)


def _run(session: Any, samples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    names = [item.name for item in session.get_outputs()]
    types = {item.name: item.type for item in session.get_inputs()}
    return [
        dict(zip(names, session.run(names, dict(_fed(types, sample))), strict=True)) for sample in samples
    ]


def _fed(types: Mapping[str, str], sample: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, kind in types.items():
        is_widened = kind == "tensor(float)" and sample[name].dtype != np.float32
        yield name, sample[name].astype(np.float32) if is_widened else sample[name]
