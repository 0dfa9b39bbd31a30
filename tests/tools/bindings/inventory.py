"""
One kept inventory, and the question everything asks of it: does this release have that name?

Names are dotted as in the module: ``BuilderFlag.FP16``, ``IBuilderConfig.set_flag``, ``Builder``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from bindings.errors import BindingsError
from bindings.releases import RELEASES, Release

FOLDER = Path(__file__).with_name("inventories")
_OF_EVERY_MODULE = ("__version__", "__file__")


@dataclass(frozen=True, slots=True)
class Inventory:
    """What the bindings of one release show; ``document`` is as ``introspect`` made it."""

    release: Release
    document: Mapping[str, Any]

    @classmethod
    def read(cls, release: Release) -> Inventory:
        """The kept inventory of ``release``; BindingsError when there is none."""
        try:
            return cls(release, json.loads((FOLDER / release.file_name).read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise BindingsError(
                f"no inventory of {release.flavor} {release.version} is kept",
                remedy=f"python -m bindings collect {release.version}",
            ) from error

    def has(self, name: str) -> bool:
        """Whether the module has ``name``."""
        holder, _, member = name.rpartition(".")
        if not holder:
            return name in self.document["module"] or name in _OF_EVERY_MODULE
        # Members of ILogger.Severity are attributes of ILogger too.
        members = {*self.enum(holder), *self.enum(f"{holder}.Severity")}
        is_enum = name in self.document["enums"] or (member == "__members__" and bool(self.enum(holder)))
        return (
            is_enum
            or member in members
            or member in self.properties(holder)
            or member in self.methods(holder)
        )

    def settable(self, name: str) -> bool:
        """Whether ``name`` is a property that can be set."""
        holder, _, member = name.rpartition(".")
        return self.properties(holder).get(member) == "rw"

    def enum(self, name: str) -> Mapping[str, int]:
        """Members of an enumeration; none when the release has not got it."""
        members: Mapping[str, int] = self.document["enums"].get(name, {})
        return members

    def properties(self, name: str) -> Mapping[str, str]:
        """Properties of a class, each ``rw`` or ``r``."""
        return self._class(name)["properties"]

    def methods(self, name: str) -> Mapping[str, str]:
        """Methods of a class, each with its signature."""
        return self._class(name)["methods"]

    def _class(self, name: str) -> Mapping[str, Mapping[str, str]]:
        found: Mapping[str, Mapping[str, str]] = self.document["classes"].get(
            name, {"properties": {}, "methods": {}}
        )
        return found

    def names(self) -> Iterator[str]:
        """Every name of classes' members, enumerations' members and the module."""
        yield from self.document["module"]
        for enum, members in self.document["enums"].items():
            yield from (f"{enum}.{member}" for member in members)
        for name, members in self.document["classes"].items():
            yield from (f"{name}.{member}" for kind in members.values() for member in kind)


@cache
def inventories() -> tuple[Inventory, ...]:
    """All that are kept, oldest first within each flavor."""
    return tuple(Inventory.read(release) for release in RELEASES)


def inventory_text(document: Mapping[str, Any]) -> str:
    """One line for each class and enumeration, so that two releases can be compared line by line."""
    parts = []
    for section, content in document.items():
        if isinstance(content, Mapping) and section != "deprecated":
            lines = ",\n".join(
                f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in content.items()
            )
            parts.append(f'"{section}": {{\n{lines}\n}}')
        else:
            parts.append(f'"{section}": {json.dumps(content)}')
    return "{" + ",\n".join(parts) + "}\n"


def differences(kept: Inventory, found: Inventory) -> list[str]:
    """What one has and the other has not; signatures and numbers too."""
    if kept.document == found.document:
        return []
    before, after = set(kept.names()), set(found.names())
    lines = [f"gone: {name}" for name in sorted(before - after)]
    lines += [f"new: {name}" for name in sorted(after - before)]
    return lines or ["the same names, with other signatures, numbers or notes of deprecation"]
