"""
Keep what crosses from a wide type into a narrow one finite, as ``floats.Rounding`` keeps weights.

A mask is -3.4e38 where nothing may be seen, or an integer as far from zero. Cast to fp16 it would be minus
infinity, and a row of nothing else has no softmax.
"""

from collections.abc import Callable, Iterator
from typing import Any

import onnx

from ignition_builder.precision.floats import Narrow

TAKES_INPUTS = 11
"""The opset from which the bounds of a Clip are inputs; before, they are attributes."""


class Bounds:
    """Makes the nodes that hold values within ``narrow``; ``fresh`` gives names that nothing has yet."""

    def __init__(self, narrow: Narrow, opset: int, fresh: Callable[[str], str]) -> None:
        self._narrow, self._opset, self._fresh = narrow, opset, fresh
        self._tensors: dict[tuple[str, int], Any] = {}

    @property
    def tensors(self) -> Iterator[Any]:
        """The constants that the nodes read, which belong into the model's graph."""
        yield from self._tensors.values()

    def clip(self, source: str, target: str, kind: int) -> Any:
        """Return a node that makes ``target`` of ``source``, both of the wide type ``kind``."""
        name, largest = self._fresh(f"{target}__clip"), self._narrow.largest
        if self._opset < TAKES_INPUTS:
            return onnx.helper.make_node("Clip", [source], [target], name=name, min=-largest, max=largest)
        bounds = [self._bound("lowest", -largest, kind), self._bound("largest", largest, kind)]
        return onnx.helper.make_node("Clip", [source, *bounds], [target], name=name)

    def _bound(self, word: str, value: float, kind: int) -> str:
        if (word, kind) not in self._tensors:
            name = self._fresh(f"{self._narrow.precision}__{word}")
            self._tensors[word, kind] = onnx.helper.make_tensor(name, kind, [], [value])
        return str(self._tensors[word, kind].name)
