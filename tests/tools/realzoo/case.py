"""One model out of a public package: where it lies, what it is built for, and what it is really given."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ignition_hub.engine.identity import Profile, ShapeRange
from realmodels import Package


class Supplies(Protocol):
    """What realistic inputs are made of."""

    @property
    def package(self) -> Path:
        """The unpacked package of the case: vocabularies and settings lie beside its model."""

    def pictures(self) -> list[Any]:
        """Return photographs: uint8, height x width x 3."""

    def pages(self) -> list[Any]:
        """Return pictures of printed text: uint8, height x width x 3."""

    def sounds(self, rate: int) -> list[Any]:
        """Return a conversation, then music: one channel, float32 in -1 to 1, ``rate`` values a second."""

    def sentences(self) -> list[str]:
        """Return ordinary sentences."""

    def answers(self, member: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return by name what onnxruntime answers for a model of the package."""


Samples = Callable[[Supplies, int, int], list[dict[str, Any]]]
"""From supplies, a count and a seed: so many inputs of the ``opt`` shapes, as the package prepares them."""
EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Case:
    """
    One model, what it is, and the shapes it is built for: input to (min, opt, max), none where all are fixed.

    ``member`` is the path of the ONNX file inside the package's archive; files of external data lie beside
    it. ``outputs`` is ``EMBEDDING`` where directions matter and values do not.
    """

    name: str
    what: str
    package: Package
    member: str
    shapes: Mapping[str, tuple[tuple[int, ...], ...]]
    samples: Samples
    outputs: str = ""

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """The optimization profiles."""
        ranges = {name: ShapeRange(*shapes) for name, shapes in self.shapes.items()}
        return (Profile(ranges),) if ranges else ()
