"""
Keep the names of a model's graphs apart: a branch may call a value as another graph calls one of its own.

ONNX allows it where neither sees the other's, and its shape inference may take one for the other: what an If
gives out gets the sizes of a value of that name in a branch of a branch (run: onnx 1.23.2).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import onnx

from ignition_builder.checking.fresh import Fresh
from ignition_builder.checking.graphs import graphs_of


@dataclass(frozen=True, slots=True)
class Names:
    """``count`` is how many graphs of the model give a name to a value."""

    count: Mapping[str, int]
    fresh: Fresh

    @classmethod
    def of(cls, model: Any) -> "Names":
        """Count the names of a model's graphs; those of its functions are apart."""
        count = Counter(name for graph in graphs_of(model.graph) for name in _made_in(graph))
        return cls(count, Fresh(model))

    def renamed(self, branch: Any, node: Any) -> Any:
        """Return a copy whose names meet no others; what it gives out has the names that ``node`` gave."""
        copy = onnx.GraphProto()
        copy.CopyFrom(branch)
        names, made = self._own(copy), {name for inner in copy.node for name in inner.output}
        for value, outer in zip(copy.output, node.output, strict=False):
            if outer and value.name in made:
                names[value.name] = outer
        self._rename(copy, names)
        return copy

    def _own(self, graph: Any) -> dict[str, str]:
        """Return what the values of ``graph`` are to be called: as they are, unless others are too."""
        names = sorted(_made_in(graph))
        return {name: name if self.count[name] == 1 else self.fresh(name) for name in names}

    def _rename(self, graph: Any, names: Mapping[str, str]) -> None:
        for item in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
            item.name = names.get(item.name, item.name)
        for node in graph.node:
            node.input[:] = [names.get(name, name) for name in node.input]
            node.output[:] = [names.get(name, name) for name in node.output]
            for attribute in node.attribute:
                for inner in (*([attribute.g] if attribute.HasField("g") else []), *attribute.graphs):
                    self._rename(inner, {**names, **self._own(inner)})

    def keep_apart(self, graph: Any) -> None:
        """Give fresh names where the graphs inside the nodes of ``graph`` use one twice; its own stay."""
        self._rename(graph, {})


def _made_in(graph: Any) -> set[str]:
    """Return the names that a graph gives to values itself, not those of the graphs inside its nodes."""
    names = {value.name for value in (*graph.input, *graph.initializer)}
    return (names | {name for node in graph.node for name in node.output}) - {""}
