"""
Put the nodes of a model in the order in which they can be computed, as ONNX wants them.

onnxruntime runs nodes in any order, those of inner graphs apart, and TensorRT's parser takes them (run:
onnxruntime 1.31.1, RTX 1.7.1), so converters append what they add at the end. ONNX's checker refuses that,
and whatever goes through the nodes once would read it wrongly.
"""

import heapq
from collections.abc import Iterator
from typing import Any

from ignition_builder.checking.graphs import every_graph


def put_in_order(model: Any) -> bool:
    """
    Put every node behind those it reads from, otherwise as they stand; tell whether any was moved.

    Inner graphs and functions too. Nodes that wait for each other stay where they are.
    """
    # Innermost first: a node that is moved is a copy, its inner graphs with it.
    moved = [_put_graph_in_order(graph) for graph in reversed(list(every_graph(model)))]
    return any(moved)


def _put_graph_in_order(graph: Any) -> bool:
    needed = _needs(graph)
    if all(before < place for place, needs in enumerate(needed) for before in needs):
        return False
    order = _sorted(needed)
    if len(order) < len(needed):
        return False
    nodes = [graph.node[place] for place in order]
    del graph.node[:]
    graph.node.extend(nodes)
    return True


def _needs(graph: Any) -> list[set[int]]:
    """Return for each node the places of the nodes it reads from."""
    maker = {name: place for place, node in enumerate(graph.node) for name in node.output if name}
    return [{maker[name] for name in _reads(node) if name in maker} for node in graph.node]


def _reads(node: Any) -> Iterator[str]:
    yield from node.input
    for attribute in node.attribute:
        for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
            yield from _reads_from_outside(inner)


def _reads_from_outside(graph: Any) -> set[str]:
    inside = {value.name for value in (*graph.input, *graph.initializer)}
    inside.update(name for node in graph.node for name in node.output)
    read = {name for node in graph.node for name in _reads(node)}
    return (read | {value.name for value in graph.output}) - inside


def _sorted(needed: list[set[int]]) -> list[int]:
    """Return the places so that none comes before what it needs; those in a circle are left out."""
    waiting = [len(needs) for needs in needed]
    readers: list[list[int]] = [[] for _ in needed]
    for place, needs in enumerate(needed):
        for before in needs:
            readers[before].append(place)
    ready, order = [place for place, count in enumerate(waiting) if not count], []
    while ready:
        order.append(place := heapq.heappop(ready))
        for reader in readers[place]:
            waiting[reader] -= 1
            if not waiting[reader]:
                heapq.heappush(ready, reader)
    return order
