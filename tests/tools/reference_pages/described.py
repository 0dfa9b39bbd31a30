"""
What the code says of its own constants: the docstring under each, which Python does not keep.

``Undescribed`` names what has none; nothing here knows a description by heart.
"""

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

OPERATOR = Path(__file__).resolve().parents[3] / "operator"
KEY_NAME = re.compile(r"(^|_)(LABEL|ANNOTATION)(_|$)|^GFD_|^KUBERNETES_ARCH$")
KEY_VALUE = re.compile(r"[a-z0-9.-]+/[A-Za-z0-9._-]+")
KEY_LINE = re.compile(r"(\w+) (label|annotation) of ([^:]+): (.+)")
GROUP_LINE = re.compile(r"    # (.+)\.")
MEMBER_LINE = re.compile(r"    (\w+) = ")


class Undescribed(Exception):
    """Something that users meet has no description; the message names it and where to write one."""

    def __init__(self, place: str, name: str, shape: str) -> None:
        super().__init__(f"{place}: {name} has no description; write {shape}")


class Key(NamedTuple):
    """One label or annotation: on what kind of object, label or annotation, who writes it, what it means."""

    name: str
    kind: str
    sort: str
    writer: str
    meaning: str


def constants(module: ModuleType) -> dict[str, str]:
    """Return the docstring of every constant of a module, by name; empty where there is none."""
    return _documented(ast.parse(inspect.getsource(module)).body)


def members(enumeration: type) -> dict[str, str]:
    """Return the docstring of every member of an enumeration, by name; empty where there is none."""
    (body,) = ast.parse(inspect.getsource(enumeration)).body
    assert isinstance(body, ast.ClassDef)
    return _documented(body.body)


def headings(enumeration: type) -> dict[str, str]:
    """Return the heading, a comment on a line of its own, that each member of an enumeration stands under."""
    heading, found = "", {}
    for line in inspect.getsource(enumeration).splitlines():
        if match := GROUP_LINE.fullmatch(line):
            heading = match[1]
        elif match := MEMBER_LINE.match(line):
            found[match[1]] = heading
    return found


def labels_and_annotations() -> Iterator[Key]:
    """Yield every label and annotation that the product names, once, sorted by name."""
    found = [key for module in _modules_with_keys() for key in keys_of(module)]
    yield from sorted({key.name: key for key in found}.values())


def keys_of(module: ModuleType) -> Iterator[Key]:
    """Yield the labels and annotations of one module; raise Undescribed for one whose docstring lacks."""
    for name, text in constants(module).items():
        value = getattr(module, name)
        if not KEY_NAME.search(name) or not KEY_VALUE.fullmatch(str(value)):
            continue
        match = KEY_LINE.fullmatch(text)
        if match is None:
            shape = "a docstring such as: Pod label of the author: what it means"
            raise Undescribed(module.__name__, f"{name} ({value})", shape)
        kind, sort, writer, meaning = match.groups()
        yield Key(str(value), kind, sort, writer, meaning[:1].upper() + meaning[1:])


def required(place: str, name: str, text: str | None, shape: str = "a docstring under it") -> str:
    """Return a description, or raise Undescribed."""
    if not text:
        raise Undescribed(place, name, shape)
    return text


def in_markdown(text: str) -> str:
    """Return a docstring as Markdown, where code has single quotes."""
    return text.replace("``", "`")


def _documented(body: list[ast.stmt]) -> dict[str, str]:
    return {
        name: _docstring(following)
        for statement, following in zip(body, [*body[1:], None], strict=True)
        for name in _assigned(statement)
    }


def _assigned(statement: ast.stmt) -> list[str]:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    if isinstance(statement, ast.AnnAssign) and statement.value is not None:
        targets = [statement.target]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _docstring(statement: ast.stmt | None) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        return " ".join(str(statement.value.value).split())
    return ""


def _modules_with_keys() -> Iterator[ModuleType]:
    for file in sorted(OPERATOR.rglob("*.py")):
        if re.search(r"^\w*(LABEL|ANNOTATION|GFD)\w* = ", file.read_text(), re.MULTILINE):
            yield importlib.import_module(".".join(file.relative_to(OPERATOR).with_suffix("").parts))
