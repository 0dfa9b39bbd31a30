"""
Rewrite a model to a narrow floating-point type; inputs and outputs keep the types they had.

TensorRT builds strongly typed, so every value's type is decided here: an operator computes in the narrow
type where ONNX defines it for that type, and casts stand wherever two types meet. Names stay, for a refit
finds weights by them. Weights that lie in files only change their type here; whoever writes the model
converts their values on the way.
"""

from collections import ChainMap, Counter
from dataclasses import dataclass, field
from typing import Any

import onnx

from ignition_builder.checking.fresh import Fresh
from ignition_builder.checking.graphs import kinds_in
from ignition_builder.checking.inspection import graphs_of, opset_of
from ignition_builder.checking.weights import is_external
from ignition_builder.precision.bounds import Bounds
from ignition_builder.precision.floats import FLOAT, WIDE, Narrow, Rounding
from ignition_builder.precision.flow import flow_of, inner_graphs
from ignition_builder.precision.out_of_range import far_values
from ignition_builder.precision.positions import Positions
from ignition_builder.precision.recurrent import reads_a_sequence, zero_added
from ignition_builder.precision.squares import square_values
from ignition_builder.precision.type_constraints import EXACT, Slots, slots_of

SOURCES = frozenset({"Constant", "ConstantOfShape", "Cast"})
"""Operators that can give either type for nothing: they give what their readers want."""

CASTS = frozenset({"Cast", "CastLike"})

LARGEST_SQUARE = 1e9
"""What a type must hold for sums of squares to be safe in it; fp16 does not."""
KEPT_INSIDE = frozenset({"Scan"})
"""TensorRT builds what is inside in fp32 only (measured on RTX 1.7.1)."""


@dataclass(slots=True)
class Narrowed:
    """
    What became of a model.

    ``later`` maps weights in files to the type their bytes still have; ``kept`` counts, by operator and any
    reason of their own, the nodes that compute in a wide type for want of the narrow one; ``exact`` counts,
    by operator, those that do so because rounding would harm.
    """

    later: dict[str, int] = field(default_factory=dict)
    kept: Counter[tuple[str, str]] = field(default_factory=Counter)
    exact: Counter[str] = field(default_factory=Counter)


def narrow_model(model: Any, narrow: Narrow, rounding: Rounding) -> Narrowed:
    """
    Rewrite ``model``, which has no local functions, in place.

    Every value's type must be known: ``model`` is as ``onnx.shape_inference.infer_shapes`` returns it.
    """
    rewriting = _Rewriting(model, narrow, rounding)
    rewriting.look(_Scope().inner(model.graph), model.graph)
    rewriting.finish(model.graph)
    return rewriting.outcome


@dataclass(slots=True)
class _Scope:
    """
    The values a graph sees: their types, and the names they have in a narrow and in a wide type.

    ``keeps`` when every node in it keeps its types.
    """

    kinds: ChainMap[str, int] = field(default_factory=ChainMap)
    low: ChainMap[str, str] = field(default_factory=ChainMap)
    wide: ChainMap[str, str] = field(default_factory=ChainMap)
    outputs: frozenset[str] = frozenset()
    keeps: bool = False
    nodes: list[Any] = field(default_factory=list)

    def inner(self, graph: Any, *, keeps: bool = False) -> "_Scope":
        return _Scope(
            keeps=keeps or self.keeps,
            kinds=self.kinds.new_child(kinds_in(graph)),
            low=self.low.new_child(),
            wide=self.wide.new_child(),
            outputs=frozenset(value.name for value in graph.output),
        )

    def is_wide(self, name: str) -> bool:
        return self.kinds.get(name) in WIDE


class _Rewriting:
    def __init__(self, model: Any, narrow: Narrow, rounding: Rounding) -> None:
        self._narrow, self._rounding, self._opset = narrow, rounding, opset_of(model)
        flow = flow_of(model)
        positions = Positions(flow)
        self._exact, self._unbounded = positions.wide, set(positions.wide - positions.bounded)
        if narrow.largest < LARGEST_SQUARE:
            self._exact = self._exact | square_values(model)
        self._fresh = Fresh(model)
        self._read = {name for graph in graphs_of(model.graph) for node in graph.node for name in node.input}
        self._read.discard("")
        self._far = far_values(flow, narrow)
        self._wanted_low: set[str] = set()
        self._wanted_wide: set[str] = set()
        self._bounds = Bounds(narrow, self._opset, self._fresh)
        self.outcome = Narrowed()

    def look(self, scope: _Scope, graph: Any) -> None:
        """Find out in which types values are read."""
        self._wanted_wide.update(value.name for value in graph.output)
        for node in graph.node:
            slots = self._slots(node, scope)
            for name, low in zip(node.input, slots.inputs, strict=True):
                if not slots.indifferent:
                    (self._wanted_low if low else self._wanted_wide).add(name)
            for inner in inner_graphs(node):
                self.look(scope.inner(inner, keeps=node.op_type in KEPT_INSIDE), inner)

    def finish(self, graph: Any) -> None:
        """Rewrite the whole model, whose graph this is."""
        self.rewrite(_Scope().inner(graph), graph)
        graph.initializer.extend(self._bounds.tensors)

    def rewrite(self, scope: _Scope, graph: Any) -> None:
        """Give every node of ``graph`` its types."""
        for value in graph.input:
            scope.wide[value.name] = value.name
        self._weights(graph, scope)
        for node in graph.node:
            self._node(node, scope)
        for value in graph.output:
            if scope.is_wide(value.name):
                self._as_wide(value.name, scope)
        del graph.node[:]
        graph.node.extend(scope.nodes)
        # They name types that have changed.
        del graph.value_info[:]

    def _slots(self, node: Any, scope: _Scope) -> Slots:
        slots = slots_of(node, self._narrow, self._opset)
        places = (*zip(node.input, slots.inputs, strict=True), *zip(node.output, slots.outputs, strict=True))
        unknown = any(low and name in self._read and name not in scope.kinds for name, low in places)
        exact = any(name in self._exact for name in node.output)
        like = node.op_type == "CastLike" and self._overflows(node)
        if scope.keeps or unknown or exact or like:
            # What is exact must not be read where it was rounded for somebody else.
            indifferent = slots.indifferent and not exact
            return Slots((False,) * len(node.input), (False,) * len(node.output), indifferent)
        return slots

    def _weights(self, graph: Any, scope: _Scope) -> None:
        for tensor in graph.initializer:
            if tensor.data_type not in WIDE or not self._becomes_low(tensor.name):
                scope.wide[tensor.name] = tensor.name
                continue
            scope.low[tensor.name] = tensor.name
            if is_external(tensor):
                self.outcome.later[tensor.name] = tensor.data_type
                tensor.data_type = self._narrow.type
            else:
                self._rounding.tensor(tensor)

    def _becomes_low(self, name: str) -> bool:
        return name in self._wanted_low and name not in self._wanted_wide

    def _node(self, node: Any, scope: _Scope) -> None:
        slots = self._slots(node, scope)
        self._inputs(node, slots, scope)
        for inner in inner_graphs(node):
            self.rewrite(scope.inner(inner, keeps=node.op_type in KEPT_INSIDE), inner)
        scope.nodes.append(node)
        self._outputs(node, slots, scope)

    def _inputs(self, node: Any, slots: Slots, scope: _Scope) -> None:
        involved = False
        for index, name in enumerate(node.input):
            if not scope.is_wide(name):
                continue
            if slots.indifferent:
                node.input[index] = scope.low.get(name) or self._as_wide(name, scope)
            elif slots.inputs[index]:
                node.input[index] = self._as_low(name, scope)
            else:
                node.input[index] = self._as_wide_for(node, index, scope)
                involved = involved or not index
        self._note_kept(node, slots, involved)

    def _note_kept(self, node: Any, slots: Slots, involved: bool) -> None:
        if any(name in self._exact for name in node.output):
            self.outcome.exact[node.op_type] += 1
        elif involved and not any(slots.inputs) and node.op_type not in EXACT:
            self.outcome.kept[node.op_type, slots.why] += 1

    def _outputs(self, node: Any, slots: Slots, scope: _Scope) -> None:
        for index, name in enumerate(node.output):
            if not scope.is_wide(name):
                continue
            low = slots.outputs[index] and (node.op_type not in SOURCES or self._becomes_low(name))
            if node.op_type in CASTS and self._overflows(node):
                self._unbounded.add(name)
                scope.wide[name] = name
            elif low and (node.op_type not in SOURCES or self._source(node)):
                node.output[index] = scope.low[name] = self._low_name(name, scope)
            else:
                scope.wide[name] = name

    def _overflows(self, node: Any) -> bool:
        """Tell whether a cast straight to the narrow type would make something finite infinite."""
        return node.input[0] in self._far

    def _low_name(self, name: str, scope: _Scope) -> str:
        # An output of the graph keeps its name for its own type.
        return self._fresh(f"{name}__{self._narrow.precision}") if name in scope.outputs else name

    def _source(self, node: Any) -> bool:
        """Let a node that gives constants or casts give the narrow type; False when it cannot."""
        if node.op_type == "Cast":
            for attribute in node.attribute:
                if attribute.name == "to":
                    attribute.i = self._narrow.type
            return True
        return self._constant(node)

    def _constant(self, node: Any) -> bool:
        attribute = node.attribute[0] if node.attribute else None
        if attribute is None or attribute.name in ("value_float", "value_floats"):
            tensor = _tensor_of(attribute)
        elif attribute.name == "value":
            tensor = attribute.t
        else:
            return False
        self._rounding.tensor(tensor)
        made = onnx.helper.make_attribute("value", tensor)
        del node.attribute[:]
        node.attribute.append(made)
        return True

    def _as_low(self, name: str, scope: _Scope) -> str:
        if name not in scope.low:
            scope.low[name] = self._fresh(f"{name}__{self._narrow.precision}")
            self._cast(self._bounded(name, scope), scope.low[name], self._narrow.type, scope)
        return scope.low[name]

    def _bounded(self, name: str, scope: _Scope) -> str:
        """Return the wide value within what the narrow type holds."""
        wide = scope.wide[name]
        if name not in self._unbounded:
            return wide
        bounded = self._fresh(f"{name}__bounded")
        scope.nodes.append(self._bounds.clip(wide, bounded, scope.kinds[name]))
        return bounded

    def _as_wide(self, name: str, scope: _Scope) -> str:
        if name not in scope.wide:
            kind = scope.kinds[name]
            wide = name if name in scope.outputs else self._fresh(f"{name}__wide")
            self._cast(scope.low[name], wide, kind, scope)
            scope.wide[name] = wide
        return scope.wide[name]

    def _as_wide_for(self, node: Any, index: int, scope: _Scope) -> str:
        name = node.input[index]
        wide = self._as_wide(name, scope)
        if name not in scope.low or not reads_a_sequence(node, index):
            return wide
        apart = self._fresh(f"{name}__apart")
        scope.nodes.extend(zero_added(wide, apart, scope.kinds[name], self._fresh))
        return apart

    def _cast(self, source: str, target: str, kind: int, scope: _Scope) -> None:
        name = self._fresh(f"{target}__cast")
        scope.nodes.append(onnx.helper.make_node("Cast", [source], [target], name=name, to=kind))


def _tensor_of(attribute: Any | None) -> Any:
    """Return the tensor a Constant's number means; ConstantOfShape without a value fills with zero."""
    if attribute is None:
        return onnx.helper.make_tensor("", FLOAT, [1], [0.0])
    if attribute.name == "value_float":
        return onnx.helper.make_tensor("", FLOAT, [], [attribute.f])
    return onnx.helper.make_tensor("", FLOAT, [len(attribute.floats)], list(attribute.floats))
