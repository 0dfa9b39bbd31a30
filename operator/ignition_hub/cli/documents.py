"""
Read resources from YAML or JSON files as kubectl does, and say in one line what is wrong with one.

The API server is the judge of a resource; what can be told without it is told here: unknown fields, missing
ones, values outside their bounds.
"""

import difflib
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ignition_hub.api.schema import Part
from ignition_hub.api.v1alpha1 import CustomResource
from ignition_hub.cli import kubectl_yaml
from ignition_hub.cli.errors import CliError
from ignition_hub.engine.names import API_VERSION
from ignition_hub.engine.quoting import on_one_line

SUFFIXES = (".yaml", ".yml", ".json")
STDIN = "-"
SAID = 5
"""How many mistakes of one resource are named."""

T = TypeVar("T", bound=CustomResource)


@dataclass(frozen=True, slots=True)
class Document:
    """One object, and the file it is from."""

    where: str
    body: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Its kind; empty when it has none."""
        return str(self.body.get("kind") or "")


def documents(paths: Sequence[str]) -> list[Document]:
    """Return every object in files, in folders of files, and for ``-`` on standard input."""
    return [document for path in paths for where, text in _texts(path) for document in _parsed(where, text)]


def read_as(model: type[T], document: Document) -> T:
    """Return an object as ``model``; raise CliError that names each field, its value and why it is wrong."""
    body = document.body
    if body.get("apiVersion") != API_VERSION:
        raise CliError(f"{document.where}: apiVersion: {body.get('apiVersion')!r}: must be {API_VERSION}")
    mistakes = list(_unknown_fields(model.model_fields["spec"].annotation, body.get("spec"), "spec"))
    try:
        read = model.model_validate(body)
    except ValidationError as error:
        mistakes += [_in_words(detail, body) for detail in error.errors(include_url=False)]
    if mistakes:
        raise CliError(f"{document.where}: {_name_in(document)}{_listed(mistakes)}")
    return read


def _name_in(document: Document) -> str:
    """Return kind and name before a colon; nothing for a document that has no name."""
    metadata = document.body.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else None
    return f"{document.kind} {name}: " if name else ""


def _texts(path: str) -> Iterator[tuple[str, str]]:
    if path == STDIN:
        yield "standard input", sys.stdin.read()
        return
    place = Path(path)
    files = sorted(one for one in place.iterdir() if one.suffix in SUFFIXES) if place.is_dir() else [place]
    for file in files:
        try:
            yield str(file), file.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise CliError(f"{file}: {getattr(error, 'strerror', None) or 'not text'}") from error


def _parsed(where: str, text: str) -> Iterator[Document]:
    try:
        objects = list(kubectl_yaml.read_all(text))
    except (yaml.YAMLError, ValueError) as error:
        raise CliError(f"{where}: not YAML: {on_one_line(str(error))}") from error
    for one in objects:
        if one is None:
            continue
        yield from _items(where, one)


def _items(where: str, body: Any) -> Iterator[Document]:
    if not isinstance(body, dict):
        raise CliError(f"{where}: {str(body)[:40]!r} is not an object with apiVersion and kind")
    if str(body.get("kind", "")).endswith("List") and isinstance(body.get("items"), list):
        for item in body["items"]:
            yield from _items(where, item)
    else:
        yield Document(where, body)


def _unknown_fields(annotation: Any, value: Any, path: str) -> Iterator[str]:
    """Give a mistake for each field of ``value`` that the models do not have."""
    part = _part_in(annotation)
    if part is None:
        return
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_fields(part, item, f"{path}[{index}]")
    elif isinstance(value, dict) and _is_map(annotation):
        for name, item in value.items():
            yield from _unknown_fields(part, item, f"{path}.{name}")
    elif isinstance(value, dict):
        yield from _unknown_here(part, value, path)


def _unknown_here(part: type[Part], value: dict[str, Any], path: str) -> Iterator[str]:
    known = {field.alias or name: field.annotation for name, field in part.model_fields.items()}
    for name, item in value.items():
        if name in known:
            yield from _unknown_fields(known[name], item, f"{path}.{name}")
            continue
        near = difflib.get_close_matches(str(name), known, 1)
        remedy = f"did you mean {near[0]}?" if near else f"the fields are {', '.join(known)}"
        yield f"{path}.{name}: unknown field; {remedy}"


def _part_in(annotation: Any) -> type[Part] | None:
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    return next((part for one in get_args(annotation) if (part := _part_in(one))), None)


def _is_map(annotation: Any) -> bool:
    origin = getattr(annotation, "__origin__", None)
    return origin is dict or any(_is_map(one) for one in get_args(annotation))


def _in_words(detail: ErrorDetails, body: Mapping[str, Any]) -> str:
    """``spec.targets[0].gpuArch: 'ada': string should match pattern ...``"""
    path, value = "", body
    for part in detail["loc"]:
        try:
            value = value[part]  # type: ignore[index]  # whatever the document holds there
        except (KeyError, IndexError, TypeError):
            if detail["type"] != "missing":
                break  # the rest names alternatives of a type and not a place in the document
        path += f"[{part}]" if isinstance(part, int) else f".{part}"
    why = detail["msg"][:1].lower() + detail["msg"][1:]
    given = "" if detail["type"] == "missing" else f" {str(detail['input'])[:60]!r}:"
    return f"{path.removeprefix('.')}:{given} {why}"


def _listed(mistakes: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(mistakes))
    more = f"; and {len(distinct) - SAID} more" if len(distinct) > SAID else ""
    return "; ".join(distinct[:SAID]) + more
