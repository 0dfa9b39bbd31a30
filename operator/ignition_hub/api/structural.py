"""
Turn pydantic's JSON Schema into the structural subset that a CustomResourceDefinition accepts.

Pydantic writes references, ``anyOf`` with null, titles and numeric exclusive bounds; Kubernetes takes none
of them. A keyword that has no counterpart is an error here rather than a surprise in the cluster.
"""

import inspect
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from ignition_hub.api.schema import VALIDATIONS

Schema = dict[str, Any]

KEPT = [
    "type",
    "description",
    "enum",
    "format",
    "pattern",
    "minLength",
    "maxLength",
    "minimum",
    "maximum",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "default",
    "required",
]


class NotStructural(Exception):
    """A model uses something that a structural schema cannot say; the message names the place."""


def structural_schema(model: type[BaseModel]) -> Schema:
    """Return ``model`` as a structural OpenAPI v3 schema, with every reference inlined."""
    source = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(source, source.get("$defs", {}), model.__name__)


def _structural(node: Mapping[str, Any], defs: Mapping[str, Any], place: str) -> Schema:
    node = _without_reference(node, defs)
    node = _without_null(node, defs, place)
    result: Schema = {}
    for keyword, value in node.items():
        result |= _keyword(keyword, value, defs, place)
    if result.get("default") in (None, "", [], {}) or isinstance(result["default"], dict):
        result.pop(
            "default", None
        )  # "nothing" needs no default; an object's defaults are those of its fields
    return {keyword: result[keyword] for keyword in sorted(result, key=_reading_order)}


def _reading_order(keyword: str) -> tuple[int, str]:
    """Put what a reader asks first in front; nested schemas and rules come last."""
    return (KEPT.index(keyword) if keyword in KEPT else len(KEPT), keyword)


def _without_reference(node: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    """Inline ``$ref``; what stands beside it wins, rules add up."""
    if "$ref" not in node:
        return node
    referred = _without_reference(defs[node["$ref"].removeprefix("#/$defs/")], defs)
    return _merged(referred, {key: value for key, value in node.items() if key != "$ref"})


def _without_null(node: Mapping[str, Any], defs: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """Resolve the only unions there may be: a value or nothing, and an integer or a string."""
    if "anyOf" not in node:
        return node
    choices = [choice for choice in node["anyOf"] if choice.get("type") != "null"]
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    if len(choices) == 1:
        chosen = _without_reference(choices[0], defs)
        return _merged(_without_null(chosen, defs, place), rest)
    if sorted(choice.get("type", "") for choice in choices) == ["integer", "string"]:
        return {"x-kubernetes-int-or-string": True} | rest
    raise NotStructural(f"{place}: a union of {len(choices)} types has no structural form")


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> Mapping[str, Any]:
    merged = {**below, **above}
    if both := [*below.get(VALIDATIONS, ()), *above.get(VALIDATIONS, ())]:
        merged[VALIDATIONS] = both
    return merged


def _keyword(keyword: str, value: Any, defs: Mapping[str, Any], place: str) -> Schema:
    """Return what one keyword becomes: another value, two keywords, or none."""
    match keyword:
        case "properties":
            result = {name: _structural(part, defs, f"{place}.{name}") for name, part in value.items()}
            return {keyword: result}
        case "items" | "additionalProperties":
            return {keyword: _structural(value, defs, f"{place}[]")}
        case "description":
            return {keyword: _paragraphs(value)}
        case "title" | "$defs":
            return {}
        case _:
            return _plain(keyword, value, place)


def _plain(keyword: str, value: Any, place: str) -> Schema:
    if keyword == "const":
        return {"enum": [value]}
    if keyword in {"exclusiveMinimum", "exclusiveMaximum"}:  # OpenAPI v3.0 has a bound and a flag
        return {keyword.removeprefix("exclusive").lower(): value, keyword: True}
    if keyword in KEPT or keyword.startswith("x-kubernetes-"):
        return {keyword: value}
    raise NotStructural(f"{place}: the keyword {keyword} has no structural form")


def _paragraphs(text: str) -> str:
    """Join the lines of each paragraph: `kubectl explain` wraps by itself."""
    paragraphs = inspect.cleandoc(text).replace("``", "`").split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
