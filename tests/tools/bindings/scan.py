"""
Every name of NVIDIA's module that our own code uses, found in its source.

A use is an attribute of the module (``trt.BuilderFlag``), of an object that TensorRT made, known by what the
code calls it (``builder.create_network``), or a name in a string that our own functions look up
(``members_of(trt, "X")``). A use that is looked up, or asked for with ``hasattr`` in the same function, is
guarded: a release may lack it. Names that come from a row of ``compatibility.options`` are not in the source;
the rows' own tests hold them against the bindings. Only files that speak of NVIDIA's module are read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ignition_builder.compiling.checked_config import Settled
from ignition_hub.engine.identity import Profile

MODULES = {"trt", "_trt"}
"""What the code calls NVIDIA's module."""

OBJECTS: Mapping[str, str] = {
    "builder": "Builder",
    "network": "INetworkDefinition",
    "parser": "OnnxParser",
    "config": "IBuilderConfig",
    "profile": "IOptimizationProfile",
    "registry": "IPluginRegistry",
    "runtime": "Runtime",
    "engine": "ICudaEngine",
    "context": "IExecutionContext",
    "tensor": "ITensor",
}
"""What the code calls objects that TensorRT made, and their classes."""

LOOKUPS: Mapping[str, tuple[int, str]] = {
    "attribute": (1, "IBuilderConfig"),
    "flag": (1, "BuilderFlag"),
    "without_flag": (0, "BuilderFlag"),
    "pool": (1, "MemoryPoolType"),
}
"""Our functions that take a name: at which place, and of which class or enumeration."""

PAIRS: Mapping[str, int] = {"members_of": 1, "names_of": 1, "flag_bit": 1, "member": 1}
"""Our functions that take an enumeration, and perhaps a member after it: at which place."""


OURS = {
    "config": {name for name in dir(Settled) if name[0] != "_"},
    "profile": {name for name in dir(Profile) if name[0] != "_"},
}
"""Attributes of objects of our own that go by the same names."""


@dataclass(frozen=True, slots=True, order=True)
class Use:
    """One use of ``name``, dotted as in the module, at ``where`` (file:line)."""

    name: str
    where: str
    guarded: bool


def uses_in(folder: Path) -> tuple[Use, ...]:
    """All uses in the Python files of ``folder``, sorted."""
    found = {use for path in sorted(folder.rglob("*.py")) for use in _uses_of(path, folder)}
    return tuple(sorted(found))


def _uses_of(path: Path, folder: Path) -> Iterator[Use]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not any(_last_name(node) in MODULES for node in ast.walk(tree)):
        return
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.Lambda)]
    seen: dict[ast.AST, set[str]] = {}
    for function in functions:
        asked = {text for call in ast.walk(function) for text in _asked_for(call)}
        for node in ast.walk(function):
            seen.setdefault(node, set()).update(asked)
    for node in ast.walk(tree):
        for name, guarded in _names_at(node):
            yield Use(
                name=name,
                where=f"{path.relative_to(folder)}:{getattr(node, 'lineno', 0)}",
                guarded=guarded or name.rpartition(".")[2] in seen.get(node, set()),
            )


def _asked_for(node: ast.AST) -> Iterator[str]:
    """Names whose presence is asked for: ``hasattr(x, "name")`` and ``getattr(x, "name", default)``."""
    if not isinstance(node, ast.Call):
        return
    if _last_name(node.func) == "hasattr" or (_last_name(node.func) == "getattr" and len(node.args) == 3):
        yield from _texts(node.args[1:2])


def _names_at(node: ast.AST) -> Iterator[tuple[str, bool]]:
    if isinstance(node, ast.Attribute):
        yield from ((name, False) for name in _attribute(node))
    elif isinstance(node, ast.Call):
        yield from ((name, True) for name in _looked_up(node))


def _attribute(node: ast.Attribute) -> Iterator[str]:
    """``trt.X``, ``trt.X.Y`` and ``builder.z``."""
    holder = _last_name(node.value)
    if holder in MODULES:
        yield node.attr
    elif isinstance(node.value, ast.Attribute) and _last_name(node.value.value) in MODULES:
        yield f"{node.value.attr}.{node.attr}"
    elif holder.lstrip("_") in OBJECTS and node.attr not in OURS.get(holder.lstrip("_"), ()):
        yield f"{OBJECTS[holder.lstrip('_')]}.{node.attr}"


def _looked_up(call: ast.Call) -> Iterator[str]:
    function = _last_name(call.func)
    if function in LOOKUPS:
        place, kind = LOOKUPS[function]
        yield from (f"{kind}.{text}" for text in _texts(call.args[place : place + 1]))
    if function in PAIRS:
        place = PAIRS[function]
        kinds, members = (
            list(_texts(call.args[place : place + 1])),
            list(_texts(call.args[place + 1 : place + 2])),
        )
        yield from kinds
        yield from (f"{kind}.{member}" for kind in kinds for member in members)
    if function in ("hasattr", "getattr"):
        holder = _last_name(call.args[0])
        for text in _texts(call.args[1:2]):
            if holder in MODULES:
                yield text
            elif holder.lstrip("_") in OBJECTS:
                yield f"{OBJECTS[holder.lstrip('_')]}.{text}"


def _texts(nodes: list[ast.expr]) -> Iterator[str]:
    yield from (
        node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _last_name(node: ast.AST) -> str:
    if isinstance(node, ast.Name | ast.arg):
        return node.id if isinstance(node, ast.Name) else node.arg
    return node.attr if isinstance(node, ast.Attribute) else ""
