"""Give names that nothing in a model has yet, to what is added to it."""

from typing import Any

from ignition_builder.checking.graphs import graphs_of, nodes_of


class Fresh:
    """Names for the values and nodes added to ``model``: those asked for, or the next that is free."""

    def __init__(self, model: Any) -> None:
        self._taken = {name for node in nodes_of(model) for name in (node.name, *node.input, *node.output)}
        for graph in graphs_of(model.graph):
            values = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
            self._taken.update(item.name for item in values)

    def __call__(self, name: str) -> str:
        """Return ``name``, or the next that is free, and count it as taken."""
        free, count = name, 0
        while free in self._taken:
            count += 1
            free = f"{name}__{count}"
        self._taken.add(free)
        return free
