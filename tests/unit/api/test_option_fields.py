"""The schema of ``spec.options``, typed by hand, against the rows of the table of options."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from ignition_hub.api import crd
from ignition_hub.api.v1alpha1 import Options
from ignition_hub.compatibility.option_row import OptionFields, OptionRow
from ignition_hub.compatibility.options import FIELDS


def schema_of_options() -> dict[str, Any]:
    engine = next(one for one in crd.DEFINITIONS if one.kind == "TensorRTEngine")
    schema: dict[str, Any] = crd.resource_schema(engine)["properties"]["spec"]["properties"]["options"]
    return schema


SCHEMA = schema_of_options()
DEFAULTS = Options().model_dump(mode="json", by_alias=True)


def rows_of(
    fields: OptionFields = FIELDS, path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], OptionRow]]:
    for name, field in fields.items():
        if isinstance(field, OptionRow):
            yield (*path, name), field
        else:
            yield from rows_of(field, (*path, name))


def names_of(schema: Mapping[str, Any], fields: OptionFields, path: str = "options") -> Iterator[str]:
    """Give the paths that only one of the two has."""
    properties = schema.get("properties", {})
    yield from (f"{path}.{name}" for name in properties.keys() ^ fields.keys())
    for name in properties.keys() & fields.keys():
        field = fields[name]
        if not isinstance(field, OptionRow):
            yield from names_of(properties[name], field, f"{path}.{name}")


def shape_of(row: OptionRow) -> dict[str, Any]:
    """The keywords of a row's schema that say what may be written."""
    least, most = row.bounds
    return {
        "Flag": {"type": "boolean"},
        "Number": {"type": "integer", "minimum": least, "maximum": most},
        "Bytes": {"x-kubernetes-int-or-string": True},
        "Word": {"type": "string", "enum": list(row.words)},
        "Words": {"type": "array", "x-kubernetes-list-type": "set"},
        "Files": {"type": "object" if row.default is None else "array"},
    }[row.kind]


def test_the_schema_and_the_table_have_the_same_options() -> None:
    assert list(names_of(SCHEMA, FIELDS)) == []


@pytest.mark.parametrize(
    ("path", "row"), [pytest.param(path, row, id=".".join(path)) for path, row in rows_of()]
)
def test_a_field_is_what_its_row_says(path: tuple[str, ...], row: OptionRow) -> None:
    field, default = SCHEMA, DEFAULTS
    for name in path:
        field, default = field["properties"][name], default[name]

    keywords = {"type", "minimum", "maximum", "x-kubernetes-int-or-string", "x-kubernetes-list-type", "enum"}
    merged = {"x-kubernetes-list-type"} if row.kind == "Files" else set()
    assert {name: value for name, value in field.items() if name in keywords - merged} == shape_of(row)
    assert default == row.default
    assert field.get("default", row.default) == row.default


@pytest.mark.parametrize(
    "name", [name for name, row in FIELDS.items() if getattr(row, "kind", "") == "Words"]
)
def test_a_set_takes_every_word_of_its_row(name: str) -> None:
    row, items = FIELDS[name], SCHEMA["properties"][name]["items"]

    assert isinstance(row, OptionRow)
    if "enum" in items:
        assert items["enum"] == list(row.words)
    else:
        assert [word for word in row.words if not re.fullmatch(items["pattern"], word)] == []


@pytest.mark.parametrize("name", ["plugins", "calibration"])
def test_a_field_beside_a_source_has_the_words_of_its_row(name: str) -> None:
    row, schema = FIELDS[name], SCHEMA["properties"][name]

    assert isinstance(row, OptionRow)
    properties = schema.get("items", schema)["properties"]
    words = {one: tuple(field["enum"]) for one, field in properties.items() if "enum" in field}
    assert words == row.inner
    assert {one: properties[one]["default"] for one in words} == {one: w[0] for one, w in words.items()}
