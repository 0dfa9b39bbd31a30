"""
One row of the table of options: what its value may be, which TensorRT has it, what sets it.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, NamedTuple

from ignition_hub.compatibility.support_matrix import OLDEST, Version

FIRST: Version = OLDEST
"""Where an option begins that every release has."""

OptionKind = Literal["Flag", "Number", "Bytes", "Word", "Words", "Files"]
"""
What ``spec.options`` holds: true or false, a whole number, a size (a quantity that became bytes), one word, a
set of words, or sources of files.
"""


class RtxSupport(NamedTuple):
    """What TensorRT-RTX makes of an option; what it ignores is refused as well, with ``why``."""

    verdict: Literal["Takes", "Refuses", "Ignores"]
    why: str = ""


TAKES = RtxSupport("Takes")


class OptionRow(NamedTuple):
    """
    One option or, after the dot, one value or field of it.

    ``since`` is the first TensorRT that has it, ``until`` the first that no longer has; ``attributes`` are
    names inside NVIDIA's Python module that the builder needs for it, the one that is set first. ``example``
    is a value that asks for it, as ``spec.options`` would hold it; ``default`` is what leaving it out means.
    ``bounds`` are the least and the most of a Number, ``words`` all that a Word or the members of Words may
    be. ``inner`` has the words that a field beside the source of Files may be, its default first.
    """

    name: str
    kind: OptionKind
    rtx: RtxSupport = TAKES
    since: Version = FIRST
    until: Version | None = None
    attributes: tuple[str, ...] = ()
    example: Any = True
    default: Any = None
    bounds: tuple[int, int] = (1, 2**31 - 1)
    words: tuple[str, ...] = ()
    inner: Mapping[str, tuple[str, ...]] = {}

    @property
    def option(self) -> str:
        """The field of ``spec.options`` it belongs to."""
        return self.name.partition(".")[0]

    @property
    def part(self) -> str:
        """The value or inner field, empty when the row speaks of the whole option."""
        return self.name.partition(".")[2]

    @property
    def is_inner(self) -> bool:
        """Whether it is a field of an option that is an object: ``memoryPools.tacticDram``."""
        return bool(self.part) and self.kind in ("Flag", "Number", "Bytes")

    @property
    def field(self) -> str:
        """How a message names it: ``options.refit: RefitIdentical``, ``options.memoryPools.tacticDram``."""
        if self.name == "calibration.cache":
            return "a calibration cache as options.calibration"
        if self.part and not self.is_inner:
            return f"options.{self.option}: {self.part}"
        return f"options.{self.name}"

    @property
    def setting(self) -> tuple[str, str]:
        """What TensorRT is told by, such as ``("BuilderFlag", "REFIT")``; empty when code of its own does."""
        owner, _, name = (self.attributes or ("",))[0].partition(".")
        return owner, name

    def exists_in(self, version: Version) -> bool:
        """Tell whether a version of TensorRT (not of TensorRT-RTX) has it."""
        return self.since <= version and (self.until is None or version < self.until)


OptionFields = Mapping[str, "OptionRow | Mapping[str, OptionRow]"]


def constant_of(word: str) -> str:
    """Return the name NVIDIA gives a word: LAYER_NAMES_ONLY for LayerNamesOnly."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", word).upper()


class InvalidOption(NamedTuple):
    """A value that an option cannot have: ``options.maxAuxStreams``, why, and what would work."""

    where: str
    why: str
    remedy: str


def invalid_options(
    document: Mapping[str, Any], fields: OptionFields, where: str = "options"
) -> Iterator[InvalidOption]:
    """Give every value of ``document`` that its row does not take; null stands for the default."""
    for name, value in document.items():
        field, here = fields.get(name), f"{where}.{name}"
        if field is None:
            yield InvalidOption(here, "unknown option", f"the options are {', '.join(fields)}")
        elif value is None:
            continue
        elif isinstance(field, OptionRow):
            if found := _misfit(field, value):
                yield InvalidOption(here, *found)
        elif isinstance(value, Mapping):
            yield from invalid_options(value, field, here)
        else:
            yield InvalidOption(here, f"{value!r} is not an object", f"its fields are {', '.join(field)}")


def _misfit(row: OptionRow, value: Any) -> tuple[str, str] | None:
    least, most = row.bounds
    number = value if isinstance(value, int) and not isinstance(value, bool) else None
    match row.kind:
        case "Flag" if not isinstance(value, bool):
            return f"{value!r} is not true or false", "use true or false"
        case "Number" if number is None or not least <= number <= most:
            return f"{value!r} is out of range", f"use {least} to {most}"
        # Quantities are written in a resource only: two spellings of one size would be two identities.
        case "Bytes" if number is None or number < 1:
            return f"{value!r} is not a number of bytes", "4Gi is 4294967296"
        case "Word" if value not in row.words:
            return f"unknown value {value!r}", f"use one of {', '.join(row.words)}"
        case "Words":
            given = value if isinstance(value, list | tuple) else [value]
            for unknown in (one for one in given if one not in row.words):
                return f"unknown value {unknown!r}", f"use any of {', '.join(row.words)}"
    return None
