"""
Read JSON documents by field: a missing or mistyped one is a ContractError that names it.

``codec`` reads every record through ``Fields``. A field that a later release added may be missing, so that
documents which were written before it stay readable; one that only a later release knows is left out, or a
NewerRelease where every field counts.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from ignition_hub.engine.errors import ContractError, NewerRelease, UnknownWord
from ignition_hub.engine.quoting import shown

T = TypeVar("T")


class Fields:
    """
    The fields of one JSON object; ``where`` is its path in messages, such as ``BuildRequest.inputs``.

    ``may_be_missing`` are the fields that need not be there; ask ``in`` before reading one. ``all_count``:
    whether a field that is none of ``names`` is a NewerRelease.
    """

    def __init__(
        self,
        document: Any,
        where: str,
        names: Collection[str],
        may_be_missing: Collection[str] = (),
        *,
        all_count: bool = False,
    ) -> None:
        if not isinstance(document, Mapping):
            raise ContractError(f"{where}: expected an object, got {kind_of(document)}")
        for name in document if all_count else ():
            if name not in names:
                raise NewerRelease(f"{where}.{name:.80}: unknown field; the fields are {', '.join(names)}")
        for name in names:
            if name not in document and name not in may_be_missing:
                raise ContractError(f"{where}.{name}: missing")
        self._document = document
        self._where = where

    def __contains__(self, name: str) -> bool:
        return name in self._document

    def is_null(self, name: str) -> bool:
        """Tell whether a field is null."""
        return self._document[name] is None

    def text(self, name: str) -> str:
        """Return a string."""
        value: str = self._typed(name, str, "a string")
        return value

    def integer(self, name: str) -> int:
        """Return an integer; true and 1.5 are refused."""
        value: int = self._typed(name, int, "an integer")
        return value

    def number(self, name: str) -> float:
        """Return an integer or a float; an integer that no float holds is refused."""
        try:
            return float(self._typed(name, (int, float), "a number"))
        except OverflowError as error:
            raise self._mistyped(name, "a number within the range of a float") from error

    def flag(self, name: str) -> bool:
        """Return a boolean."""
        value = self._document[name]
        if not isinstance(value, bool):
            raise self._mistyped(name, "true or false")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        """Return an object."""
        return dict(self._typed(name, Mapping, "an object"))

    def items(self, name: str) -> list[Any]:
        """Return an array."""
        return list(self._typed(name, (list, tuple), "an array"))

    def texts(self, name: str) -> tuple[str, ...]:
        """Return an array of strings."""
        return self._each(name, str, "an array of strings")

    def integers(self, name: str) -> tuple[int, ...]:
        """Return an array of integers."""
        return self._each(name, int, "an array of integers")

    def nested(self, name: str, read: Callable[[Any], T]) -> T:
        """Return what ``read`` makes of the field; its errors name this field."""
        return inside(f"{self._where}.{name:.80}", read, self._document[name])

    def values(self, name: str, read: Callable[["Fields", str], T]) -> dict[str, T]:
        """Return what ``read`` makes of each value of an object; errors name the key."""
        values = self.mapping(name)
        inner = Fields(values, f"{self._where}.{name:.80}", list(values))
        return {key: read(inner, key) for key in values}

    def nested_items(self, name: str, read: Callable[[Any], T]) -> tuple[T, ...]:
        """Return what ``read`` makes of each item of an array; errors name the item."""
        items = enumerate(self.items(name))
        return tuple(inside(f"{self._where}.{name:.80}[{index}]", read, item) for index, item in items)

    def _typed(self, name: str, kind: Any, expected: str) -> Any:
        value = self._document[name]
        # bool is an int to Python and not to JSON.
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self._mistyped(name, expected)
        return value

    def _each(self, name: str, kind: type[T], expected: str) -> tuple[T, ...]:
        items = self.items(name)
        if not all(isinstance(item, kind) and not isinstance(item, bool) for item in items):
            raise self._mistyped(name, expected)
        return tuple(items)

    def _mistyped(self, name: str, expected: str) -> ContractError:
        value = self._document[name]
        return ContractError(
            f"{self._where}.{name:.80}: expected {expected}, got {kind_of(value)} {shown(value)}"
        )


def inside(where: str, read: Callable[[Any], T], document: Any) -> T:
    """Return ``read(document)``, with ``where`` in front of the message of a ContractError."""
    try:
        return read(document)
    except ContractError as error:
        raise type(error)(f"{where}: {error.message}", error.remedy) from error


def one_of(where: str, value: Any, allowed: Collection[str]) -> None:
    """Raise UnknownWord unless ``value`` is one of ``allowed``."""
    if value not in allowed:
        raise UnknownWord(f"{where}: {shown(value)} is not known", f"use one of {', '.join(allowed)}")


def kind_of(value: Any) -> str:
    """Return the JSON name of a value's type."""
    for kind, name in ((type(None), "null"), (bool, "boolean"), (str, "string"), (Mapping, "object")):
        if isinstance(value, kind):
            return name
    return (
        "array" if isinstance(value, (list, tuple)) else "number" if isinstance(value, (int, float)) else "?"
    )
