"""
One row of the table of options: which TensorRT has an option, what TensorRT-RTX makes of it, what sets it.
"""

from typing import Any, Literal, NamedTuple

from ignition_hub.compatibility.support_matrix import OLDEST, Version

FIRST: Version = OLDEST
"""Where an option begins that every release has."""


class Rtx(NamedTuple):
    """What TensorRT-RTX makes of an option; what it ignores is refused as well, with ``why``."""

    verdict: Literal["Takes", "Refuses", "Ignores"]
    why: str = ""


class OptionRow(NamedTuple):
    """
    One option or, after the dot, one value or field of it.

    ``since`` is the first TensorRT that has it, ``until`` the first that no longer has; ``attributes`` are
    names inside NVIDIA's Python module that the builder needs for it. ``example`` is a value that asks for
    it, as ``spec.options`` would hold it; ``default`` is one that asks for nothing.
    """

    name: str
    rtx: Rtx
    since: Version = FIRST
    until: Version | None = None
    attributes: tuple[str, ...] = ()
    example: Any = True
    default: Any = None

    @property
    def option(self) -> str:
        """The field of ``spec.options`` it belongs to."""
        return self.name.partition(".")[0]

    @property
    def part(self) -> str:
        """The value or inner field, empty when the row speaks of the whole option."""
        return self.name.partition(".")[2]

    @property
    def field(self) -> str:
        """How a message names it: ``options.refit: RefitIdentical``, ``options.memoryPools.tacticDram``."""
        if self.name == "calibration.cache":
            return "a calibration cache as options.calibration"
        if self.part and isinstance(self.example, str | list):
            return f"options.{self.option}: {self.part}"
        return f"options.{self.name}"

    def exists_in(self, version: Version) -> bool:
        """Tell whether a version of TensorRT (not of TensorRT-RTX) has it."""
        return self.since <= version and (self.until is None or version < self.until)
