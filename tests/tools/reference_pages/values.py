"""
The chart's values: what values.yaml says above each, with its default, and what the schema accepts.

A comment in values.yaml describes the key under it; what many keys have in common, such as ``tolerations``,
is described once in ``$defs`` of the schema.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from reference_pages.described import Undescribed

CHART = Path(__file__).resolve().parents[3] / "charts" / "ignition-hub"
KEY_LINE = re.compile(r"( *)([A-Za-z0-9]+):")

Json = Mapping[str, Any]


class Value(NamedTuple):
    """One value: its path with dots, default as JSON, what the schema accepts, and its description."""

    path: str
    default: str
    accepts: str
    meaning: str


def chart_values() -> list[Value]:
    """Return every value of the chart in the order of values.yaml."""
    text, schema = (CHART / "values.yaml").read_text(), json.loads((CHART / "values.schema.json").read_text())
    return list(values_of(text, schema))


def chart_sections() -> dict[str, str]:
    """Return what values.yaml says above each key that holds others, by path."""
    return comments_of((CHART / "values.yaml").read_text())


def values_of(text: str, schema: Json) -> Iterator[Value]:
    """Yield the values of a values.yaml with its schema; raise Undescribed for one that nothing describes."""
    comments = comments_of(text)
    for path, default, node in _leaves(yaml.safe_load(text), schema, ()):
        resolved = _resolved(node, schema)
        meaning = comments.get(path) or str(resolved.get("description", ""))
        if not meaning:
            raise Undescribed("charts/ignition-hub/values.yaml", path, "a comment above it")
        yield Value(path, json.dumps(default), accepted(resolved), meaning)


def comments_of(text: str) -> dict[str, str]:
    """Return the comment right above each key of a YAML text, by the key's path; lists keep their lines."""
    comments: dict[str, str] = {}
    path: list[str] = []
    pending: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            pending.append(line.lstrip()[1:].removeprefix(" "))
            continue
        if match := KEY_LINE.match(line):
            path = [*path[: len(match[1]) // 2], match[2]]
            comments[".".join(path)] = _joined(pending)
        pending = []
    return comments


def accepted(node: Json) -> str:
    """Return in a few words what a schema accepts."""
    if "enum" in node:
        return ", ".join(f"`{one}`" for one in node["enum"])
    if node.get("type") == "array":
        return f"list of {accepted(node['items']) or 'objects'}" if "items" in node else "list"
    if node.get("type") == "integer":
        return f"{node['minimum']} to {node['maximum']}"
    return str(node.get("type", ""))


def _leaves(defaults: Any, node: Json, path: tuple[str, ...]) -> Iterator[tuple[str, Any, Json]]:
    for name, default in defaults.items():
        within = node.get("properties", {}).get(name, {})
        if isinstance(default, dict) and default and "properties" in within:
            yield from _leaves(default, within, (*path, name))
        else:
            yield ".".join((*path, name)), default, within


def _resolved(node: Json, schema: Json) -> Json:
    if "$ref" not in node:
        return node
    followed = _resolved(schema["$defs"][node["$ref"].rpartition("/")[2]], schema)
    return {**followed, **node}


def _joined(lines: list[str]) -> str:
    """Join wrapped lines; those set in further are items, each on a line of its own."""
    joined = ""
    for line in (line.replace("<", "&lt;") for line in lines):
        name, gap, rest = line.strip().partition("  ")
        joined += f"<br>`{name}`: {rest.strip()}" if gap and line.startswith(" ") else f" {line}"
    return joined.strip()
