"""
Walk through a model: its graph, the graphs inside nodes, and its own functions; and what it says of values.
"""

from collections.abc import Iterator
from typing import Any


def graphs_of(graph: Any) -> Iterator[Any]:
    """Yield ``graph`` itself, first, and every graph inside its nodes."""
    yield graph
    for attribute in attributes_of(graph):
        if attribute.HasField("g"):
            yield from graphs_of(attribute.g)
        for inner in attribute.graphs:
            yield from graphs_of(inner)


def every_graph(model: Any) -> Iterator[Any]:
    """Yield the graph, first, and the model's functions, each with the graphs inside its nodes."""
    yield from graphs_of(model.graph)
    for function in model.functions:
        yield from graphs_of(function)


def nodes_of(model: Any) -> Iterator[Any]:
    """Yield every node: of the graph, of graphs inside nodes, and of the model's own functions."""
    for graph in every_graph(model):
        yield from graph.node


def attributes_of(graph: Any) -> Iterator[Any]:
    """Yield the attributes of a graph's nodes, and those a function takes with a value of its own."""
    # What a function takes for an attribute that its caller leaves out is used like any other.
    yield from getattr(graph, "attribute_proto", ())
    for node in graph.node:
        yield from node.attribute


def tensors_of(model: Any) -> Iterator[Any]:
    """Yield every tensor that holds weights or constants."""
    yield from model.graph.initializer
    yield from inner_tensors_of(model)


def inner_tensors_of(model: Any) -> Iterator[Any]:
    """Yield the tensors inside nodes and functions: constants, and the weights of inner graphs."""
    for depth, graph in enumerate(every_graph(model)):
        # A function has nodes and no weights.
        if depth and hasattr(graph, "initializer"):
            yield from graph.initializer
        for attribute in attributes_of(graph):
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def kinds_in(graph: Any) -> dict[str, int]:
    """Return the element types of a graph's own values by name; 0 for what is no tensor."""
    kinds = {tensor.name: tensor.data_type for tensor in graph.initializer}
    kinds.update({tensor.values.name: tensor.values.data_type for tensor in graph.sparse_initializer})
    for value in (*graph.input, *graph.value_info, *graph.output):
        if value.type.WhichOneof("value") is not None:
            kinds[value.name] = value.type.tensor_type.elem_type
    return kinds


def called(node: Any) -> str:
    """Return how a message names a node."""
    return f"node {node.name or ', '.join(node.output)} ({node.op_type})"
