"""
Records: frozen dataclasses that cross a border as one JSON object, with one key for each field.

The types of the fields are the schema. They may be ``str``, ``int``, ``float``, ``bool``, a path, a Record,
``Mapping[str, ...]`` and ``tuple[..., ...]`` of these or of Any, and each of them ``| None``; what only some
values satisfy is for ``__post_init__``. A value is read as ``fields`` reads it: nothing is converted, and
what does not fit is a ContractError.

Processes of two releases read each other's documents while one replaces the other. What only the later one
knows is left out where the rest means the same without it, which is every Record but the Wholes; where it
does not, such as for an unknown word, the document is a NewerRelease, which passes with the upgrade.
"""

import os
from collections.abc import Callable, Mapping
from dataclasses import Field, fields
from functools import cache
from types import NoneType, UnionType
from typing import Any, ClassVar, TypeVar, Union, get_args, get_origin, get_type_hints

from ignition_hub.engine.errors import NewerRelease, UnknownWord
from ignition_hub.engine.fields import Fields

R = TypeVar("R", bound="Record")
Reader = Callable[[Fields, str], Any]

MAY_BE_MISSING: Mapping[str, bool] = {"may_be_missing": True}
"""Metadata of a field that a later release added: a document without it is read with the field's default."""


class Record:
    """What a frozen dataclass inherits to be written as a JSON object and read back from one."""

    __slots__ = ()
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def to_json(self) -> dict[str, Any]:
        """Return the object: keys in the order of the fields, tuples as lists, paths as strings."""
        return {field.name: _json_of(getattr(self, field.name)) for field in fields(self)}

    @classmethod
    def from_json(cls: type[R], document: Any) -> R:
        """
        Return the record; ContractError names the class, the field, what it has and what was expected.

        NewerRelease, which is one, where a word or a field that counts is of a later release.
        """
        readers, may_be_missing = _schema_of(cls)  # type: ignore[arg-type]  # mypy takes a class for unhashable
        read = Fields(document, cls.__name__, readers, may_be_missing, all_count=issubclass(cls, Whole))
        values = {name: reader(read, name) for name, reader in readers.items() if name in read}
        try:
            return cls(**values)
        except UnknownWord as error:
            raise NewerRelease(str(error)) from error


class Whole(Record):
    """A record whose every field counts: it is not read without those that only a later release knows."""

    __slots__ = ()


_PLAIN: Mapping[Any, Reader] = {
    str: Fields.text,
    int: Fields.integer,
    float: Fields.number,
    bool: Fields.flag,
    Mapping[str, Any]: Fields.mapping,
    tuple[Any, ...]: lambda read, name: tuple(read.items(name)),
    tuple[str, ...]: Fields.texts,
    tuple[int, ...]: Fields.integers,
}


def _json_of(value: Any) -> Any:
    # One level, which is as far as types go: an account of a builder may be nested as deep as JSON allows.
    if isinstance(value, Mapping):
        return {key: _single(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_single(item) for item in value]
    return _single(value)


def _single(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    return os.fspath(value) if isinstance(value, os.PathLike) else value


# When the first document is read: a process that only imports a record resolves no types.
@cache
def _schema_of(kind: type[Record]) -> tuple[Mapping[str, Reader], frozenset[str]]:
    hints = get_type_hints(kind)
    readers = {field.name: _reader_of(hints[field.name]) for field in fields(kind)}
    return readers, frozenset(field.name for field in fields(kind) if "may_be_missing" in field.metadata)


def _reader_of(hint: Any) -> Reader:
    if hint in _PLAIN:
        return _PLAIN[hint]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType) and len(arguments) == 2 and arguments[1] is NoneType:
        known = _reader_of(arguments[0])
        return lambda read, name: None if read.is_null(name) else known(read, name)
    if origin is Mapping and arguments[0] is str:
        value = _reader_of(arguments[1])
        return lambda read, name: read.values(name, value)
    if origin is tuple and arguments[1] is ... and issubclass(arguments[0], Record):
        return lambda read, name: read.nested_items(name, arguments[0].from_json)
    if origin is None and issubclass(hint, Record):
        return lambda read, name: read.nested(name, hint.from_json)
    if origin is None and issubclass(hint, os.PathLike):
        return lambda read, name: hint(read.text(name))
    raise TypeError(f"a field of type {hint} has no JSON form")
