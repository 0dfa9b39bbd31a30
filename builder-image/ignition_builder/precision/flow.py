"""
The values of a model and what each is made of, through branches and loops: what ``origins`` reasons about.

A value is known by the graph it lies in and its name, for two branches may use one name twice. What goes into
a branch or a loop, and comes out of it, is a meeting: a value that is one of several others.
"""

from collections import ChainMap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.graphs import kinds_in

ValueKey = tuple[int, str]
"""The number of a graph and a name in it."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A node and the values it reads (None where it leaves one out) and makes."""

    node: Any
    inputs: tuple[ValueKey | None, ...]
    outputs: tuple[ValueKey, ...]

    @property
    def operator(self) -> str:
        """ONNX's name of the operator; empty for an operator that is not ONNX's."""
        return str(self.node.op_type) if self.node.domain in ONNX_DOMAINS else ""


@dataclass(slots=True)
class Flow:
    """
    All values of a model.

    ``operations`` stand in an order in which values are made before they are read, but what a loop carries;
    ``meetings`` maps a value to those it may be; ``constants`` are tensors; ``given`` are the inputs of the
    model, ``taken`` those of graphs inside nodes; ``kinds`` and ``shapes`` are what shape inference knows, a
    free dimension as None.
    """

    operations: list[Operation] = field(default_factory=list)
    meetings: dict[ValueKey, list[ValueKey]] = field(default_factory=dict)
    constants: dict[ValueKey, Any] = field(default_factory=dict)
    given: set[ValueKey] = field(default_factory=set)
    taken: set[ValueKey] = field(default_factory=set)
    kinds: dict[ValueKey, int] = field(default_factory=dict)
    shapes: dict[ValueKey, tuple[int | None, ...]] = field(default_factory=dict)

    def makers(self) -> dict[ValueKey, Operation]:
        """Return the node that makes each value, of those that nodes make."""
        return {key: operation for operation in self.operations for key in operation.outputs if key[1]}

    def readers(self) -> dict[ValueKey, list[ValueKey]]:
        """Return for each value what is made of it."""
        found: dict[ValueKey, list[ValueKey]] = {}
        for operation in self.operations:
            for source, key in product(operation.inputs, operation.outputs):
                if source and key[1]:
                    found.setdefault(source, []).append(key)
        for key, sources in self.meetings.items():
            for source in sources:
                found.setdefault(source, []).append(key)
        return found


def flow_of(model: Any) -> Flow:
    """Return the values of ``model``, which has no local functions and went through shape inference."""
    reading = _Reading()
    reading.graph(model.graph, ChainMap())
    weights = {tensor.name for tensor in model.graph.initializer}
    reading.flow.given.update((0, value.name) for value in model.graph.input if value.name not in weights)
    return reading.flow


def inner_graphs(node: Any) -> Iterator[Any]:
    """Yield the graphs inside a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


class _Reading:
    def __init__(self) -> None:
        self.flow = Flow()
        self._count = 0

    def graph(self, graph: Any, outside: ChainMap[str, ValueKey]) -> tuple[list[ValueKey], list[ValueKey]]:
        """Read a graph that sees what is ``outside``; return its inputs and outputs."""
        number, scope = self._count, outside.new_child()
        self._count += 1
        self._declared(graph, number, scope)
        for node in graph.node:
            self._node(node, number, scope)
        inputs = [scope[value.name] for value in graph.input]
        if number:
            self.flow.taken.update(inputs)
        return inputs, [scope.get(value.name, (number, value.name)) for value in graph.output]

    def _declared(self, graph: Any, number: int, scope: ChainMap[str, ValueKey]) -> None:
        for name, kind in kinds_in(graph).items():
            self.flow.kinds[number, name] = kind
        for value in (*graph.input, *graph.value_info, *graph.output):
            if value.type.tensor_type.HasField("shape"):
                self.flow.shapes[number, value.name] = _shape(value)
        for tensor in graph.initializer:
            self.flow.constants[number, tensor.name] = tensor
            self.flow.shapes[number, tensor.name] = tuple(tensor.dims)
        scope.update({value.name: (number, value.name) for value in (*graph.input, *graph.initializer)})

    def _node(self, node: Any, number: int, scope: ChainMap[str, ValueKey]) -> None:
        inputs = tuple(scope.get(name) if name else None for name in node.input)
        bodies = [self.graph(inner, scope) for inner in inner_graphs(node)]
        outputs = tuple((number, name) for name in node.output)
        scope.update({name: (number, name) for name in node.output if name})
        self.flow.operations.append(Operation(node, inputs, outputs))
        if node.op_type == "If":
            for _, made in bodies:
                self._meet(outputs, made)
        elif node.op_type in _CARRYING and bodies:
            self._carry(_CARRYING[node.op_type](node), inputs, outputs, bodies[0])

    def _carry(
        self,
        places: "_Places",
        inputs: Sequence[ValueKey | None],
        outputs: Sequence[ValueKey],
        body: tuple[list[ValueKey], list[ValueKey]],
    ) -> None:
        taken, made = body
        begin, rest = inputs[places.inputs :], made[places.made :]
        carried = places.carried
        self._meet(taken[places.taken :], begin)
        self._meet(taken[places.taken :][:carried], rest)
        self._meet(outputs, rest)
        # A loop that runs not once gives what it was given.
        self._meet(outputs[:carried], begin)

    def _meet(self, values: Sequence[ValueKey], sources: Sequence[ValueKey | None]) -> None:
        for value, source in zip(values, sources, strict=False):
            if source is not None:
                self.flow.meetings.setdefault(value, []).append(source)


@dataclass(frozen=True, slots=True)
class _Places:
    """Where a loop's ``carried`` values begin: in its inputs, in what its body takes, in what it makes."""

    inputs: int
    taken: int
    made: int
    carried: int


def _places_of_loop(node: Any) -> _Places:
    return _Places(inputs=2, taken=2, made=1, carried=len(node.input) - 2)


def _places_of_scan(node: Any) -> _Places:
    slices = next((item.i for item in node.attribute if item.name == "num_scan_inputs"), 0)
    return _Places(inputs=0, taken=0, made=0, carried=len(node.input) - slices)


_CARRYING = {"Loop": _places_of_loop, "Scan": _places_of_scan}


def _shape(value: Any) -> tuple[int | None, ...]:
    sizes = value.type.tensor_type.shape.dim
    return tuple(int(size.dim_value) if size.HasField("dim_value") else None for size in sizes)
