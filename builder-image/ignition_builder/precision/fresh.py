"""Give names that nothing in a model has yet, to what a conversion adds to it."""

from typing import Any

from ignition_builder.checking.inspection import graphs_of


class Fresh:
    """Names for the values and nodes added to ``model``: those asked for, or the next that is free."""

    def __init__(self, model: Any) -> None:
        self._taken: set[str] = set()
        for graph in graphs_of(model.graph):
            values = (*graph.input, *graph.output, *graph.value_info, *graph.initializer)
            self._taken.update(item.name for item in values)
            for node in graph.node:
                self._taken.update((node.name, *node.input, *node.output))

    def __call__(self, name: str) -> str:
        """Return ``name``, or the next that is free, and count it as taken."""
        free, count = name, 0
        while free in self._taken:
            count += 1
            free = f"{name}__{count}"
        self._taken.add(free)
        return free
