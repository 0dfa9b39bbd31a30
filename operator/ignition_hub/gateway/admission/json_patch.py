"""
The operations of a JSON patch (RFC 6902) that admission answers with. Pure.
"""

from typing import Any

Json = dict[str, Any]
Patch = list[Json]


def add(path: tuple[Any, ...], value: Any) -> Json:
    """Set a member of an object, or insert into an array before the index that ends ``path``."""
    return {"op": "add", "path": pointer(path), "value": value}


def remove(path: tuple[Any, ...]) -> Json:
    """Take out a member of an object, or an item of an array: those behind it move up."""
    return {"op": "remove", "path": pointer(path)}


def appended(document: Json, path: tuple[str, ...], ours: list[Json], below: tuple[Any, ...] = ()) -> Patch:
    """Append to the array at ``path`` of ``document``, making it where it is missing."""
    there: Any = document
    for step in path:
        there = (there or {}).get(step)
    if not ours:
        return []
    if not there:
        return [add((*below, *path), ours)]
    return [add((*below, *path, "-"), item) for item in ours]


def pointer(path: tuple[Any, ...]) -> str:
    """Write a path as RFC 6901 does."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return "".join(f"/{step}" for step in steps)
