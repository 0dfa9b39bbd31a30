"""Enumerations as pybind11 makes them: members by name, ``int()``, and no other type in their place."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FakeEnum:
    """The base of every fake enumeration; ``__members__`` maps names to members."""

    __members__: Mapping[str, FakeEnum] = {}

    def __init__(self, name: str, number: int) -> None:
        self.name, self.value = name, number

    def __int__(self) -> int:
        return self.value

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, FakeEnum) and other.value == self.value

    def __hash__(self) -> int:
        return hash((type(self).__name__, self.value))

    def __repr__(self) -> str:
        return f"<{type(self).__name__}.{self.name}: {self.value}>"


def enum_named(name: str, numbers: Mapping[str, int]) -> Any:
    """Return an enumeration class with these members, each also an attribute."""
    kind: Any = type(name, (FakeEnum,), {})
    kind.__members__ = {member: kind(member, number) for member, number in numbers.items()}
    for member, value in kind.__members__.items():
        setattr(kind, member, value)
    return kind
