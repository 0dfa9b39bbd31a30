"""
Rewrite a model so that a CPU computes what its types say, where onnxruntime would not.

onnxruntime has few operators for fp16 and bf16. For fp16 it puts casts around the others and takes casts out
again where two meet, so that nothing between is ever rounded and nothing overflows (run: onnxruntime 1.31.1);
a bf16 model it refuses. Here each operator computes in fp32 instead, and what it gives is rounded to the type
the model says, to nearest and ties to even, with subnormals and infinities: in the graph, in the bodies of
``If``, ``Loop`` and ``Scan``, and in the model's own functions. What happens inside an operator, as the sums
of a product or a softmax, is fp32's.

``Arithmetic`` says which types are taken away, and which are rounded to.
"""

from collections import ChainMap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx

from ignition_builder.checking.fresh import Fresh
from ignition_builder.checking.graphs import kinds_in
from ignition_builder.checking.inspection import opset_of
from ignition_builder.precision.conversion import whole_graph
from ignition_builder.verifying.kinds import TYPE_ATTRIBUTES, has_any, kind_by_schema

_Proto = onnx.TensorProto
FLOAT = _Proto.FLOAT
MOVING = frozenset(
    {
        *("If", "Loop", "Scan", "Identity", "Constant", "ConstantOfShape", "Where", "Optional"),
        *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Transpose", "Tile", "Compress"),
        *("Gather", "GatherElements", "GatherND", "Slice", "Split", "Concat", "ReverseSequence"),
        *("SequenceAt", "ConcatFromSequence", "OptionalGetElement", "DepthToSpace", "SpaceToDepth"),
    }
)
"""Operators that give what they were given, which is rounded already."""
BITS = frozenset({"BitCast"})
"""Operators that read the bits of a value, and so the type that is taken away."""


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Which types become fp32, and which of them every operator's values are rounded to."""

    widened: frozenset[int]
    rounded: frozenset[int]


_NARROW = frozenset({_Proto.FLOAT16, _Proto.BFLOAT16})
WIDE = Arithmetic(_NARROW, frozenset())
"""What the model means: nothing is rounded below fp32. The reference of every comparison."""
AS_FP32 = Arithmetic(_NARROW | {_Proto.DOUBLE}, frozenset())
"""What the model means where TensorRT, which reads DOUBLE as FLOAT, rounds nothing below fp32."""
ENGINES = Arithmetic(_NARROW | {_Proto.DOUBLE}, _NARROW)
"""What an engine does: it rounds to the types of the model, and TensorRT reads DOUBLE as FLOAT."""


class NotEmulatedError(Exception):
    """A value or an operator whose type cannot be told or taken away; the words say which."""


def retyped(model: Any, arithmetic: Arithmetic) -> Any | None:
    """
    Return ``model``, which is used up, for this arithmetic, or None when it is that already.

    Names stay; inputs and outputs of a type that is taken away become fp32. Weights that lie in files stay
    there, under ``__stored`` names. Raises NotEmulatedError.
    """
    if not has_any(model, arithmetic.widened):
        return None
    model = onnx.shape_inference.infer_shapes(whole_graph(model))
    _Retyping(model, arithmetic).graph(model.graph, ChainMap())
    return model


class _Retyping:
    def __init__(self, model: Any, arithmetic: Arithmetic) -> None:
        self._widened, self._rounded = arithmetic.widened, arithmetic.rounded
        self._opset = opset_of(model)
        self._fresh = Fresh(model)

    def graph(self, graph: Any, outer: ChainMap[str, int]) -> None:
        """Rewrite ``graph``, which sees the types of ``outer``, and what is inside its nodes."""
        kinds = outer.new_child(kinds_in(graph))
        nodes = [self._read(tensor) for tensor in graph.initializer if tensor.data_type in self._widened]
        for node in graph.node:
            self._complete(node, kinds)
            self._attributes(node, kinds)
            nodes.append(node)
            nodes.extend(self._rounding(node, kinds))
        del graph.node[:]
        graph.node.extend(nodes)
        for value in (*graph.input, *graph.output):
            self._type(value.type)
        # What was inferred says nothing true any more.
        del graph.value_info[:]

    def _read(self, tensor: Any) -> Any:
        """Let a weight keep its bytes under another name, and return what reads it as fp32."""
        name, tensor.name = tensor.name, self._fresh(f"{tensor.name}__stored")
        return onnx.helper.make_node("Cast", [tensor.name], [name], to=FLOAT)

    def _attributes(self, node: Any, kinds: ChainMap[str, int]) -> None:
        for attribute in node.attribute:
            if attribute.name in TYPE_ATTRIBUTES and attribute.i in self._widened:
                attribute.i = FLOAT
            if attribute.HasField("t") and attribute.t.data_type in self._widened:
                attribute.t.CopyFrom(_as_float(attribute.t))
            if attribute.HasField("tp"):
                self._type(attribute.tp)
            for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                self.graph(inner, kinds)

    def _rounding(self, node: Any, kinds: ChainMap[str, int]) -> Iterator[Any]:
        """Yield what rounds the node's outputs to their types; they keep their names."""
        if node.op_type in MOVING:
            return
        for index, name in enumerate(node.output):
            if kinds.get(name) in self._rounded:
                node.output[index] = self._fresh(f"{name}__computed")
                low = self._fresh(f"{name}__rounded")
                yield onnx.helper.make_node("Cast", [node.output[index]], [low], to=kinds[name])
                yield onnx.helper.make_node("Cast", [low], [name], to=FLOAT)

    def _complete(self, node: Any, kinds: ChainMap[str, int]) -> None:
        """Add to ``kinds`` what ONNX's inference left out; NotEmulatedError for what cannot be had."""
        where = f"node {node.name or node.output[0]} ({node.op_type})"
        for index, name in enumerate(node.output):
            if name and name not in kinds:
                kind = kind_by_schema(node, index, kinds, self._opset)
                if kind is None:
                    raise NotEmulatedError(f"{where}: ONNX cannot tell the type of {name}")
                kinds[name] = kind
        if node.op_type in BITS and any(kinds.get(name) in self._widened for name in _values_of(node)):
            raise NotEmulatedError(f"{where} reads the bits of a value that is computed in fp32 here")

    def _type(self, kind: Any) -> None:
        which = kind.WhichOneof("value")
        if which in ("tensor_type", "sparse_tensor_type"):
            held = getattr(kind, which)
            if held.elem_type in self._widened:
                held.elem_type = FLOAT
        elif which in ("sequence_type", "optional_type"):
            self._type(getattr(kind, which).elem_type)


def _as_float(tensor: Any) -> Any:
    with np.errstate(over="ignore"):
        values = onnx.numpy_helper.to_array(tensor).astype(np.float32)
    return onnx.numpy_helper.from_array(values, tensor.name)


def _values_of(node: Any) -> Iterator[str]:
    yield from node.input
    yield from node.output
