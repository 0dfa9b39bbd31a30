"""The generated CRDs: bounded everywhere, explained everywhere, and the same as the files in crds/."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import Field

from ignition_hub.api import crd
from ignition_hub.api.schema import Part
from ignition_hub.api.structural import NotStructural, structural_schema

CRDS = Path(__file__).resolve().parents[3] / "crds"
GIVEN_BY_KUBERNETES = ("apiVersion", "kind", "metadata")

KINDS = [pytest.param(definition, id=definition.kind) for definition in crd.DEFINITIONS]


def walk(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every schema inside ``schema`` with its path."""
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        if path or name not in GIVEN_BY_KUBERNETES:
            yield from walk(part, f"{path}.{name}")
    for inside in ("items", "additionalProperties"):
        if inside in schema:
            yield from walk(schema[inside], f"{path}[]")


def parts(definition: crd.Definition) -> list[tuple[str, dict[str, Any]]]:
    return list(walk(crd.resource_schema(definition), ""))


def lacking(definition: crd.Definition, kind: str, keywords: set[str]) -> list[str]:
    """Return the paths of schemas of one type that have none of ``keywords``."""
    return [
        path for path, part in parts(definition) if part.get("type") == kind and not keywords & part.keys()
    ]


@pytest.mark.parametrize("definition", KINDS)
def test_every_string_list_and_map_is_bounded(definition: crd.Definition) -> None:
    maps = [path for path, part in parts(definition) if "additionalProperties" in part]
    bounded = [path for path, part in parts(definition) if "maxProperties" in part]

    assert lacking(definition, "string", {"maxLength", "enum"}) == []
    assert lacking(definition, "array", {"maxItems"}) == []
    assert maps == bounded


@pytest.mark.parametrize("definition", KINDS)
def test_every_list_says_how_it_is_merged(definition: crd.Definition) -> None:
    assert lacking(definition, "array", {"x-kubernetes-list-type"}) == []


@pytest.mark.parametrize("definition", KINDS)
def test_every_field_is_explained(definition: crd.Definition) -> None:
    unexplained = [
        f"{path}.{name}"
        for path, part in parts(definition)
        for name, field in part.get("properties", {}).items()
        if not field.get("description") and (path or name not in GIVEN_BY_KUBERNETES)
    ]

    assert unexplained == []


@pytest.mark.parametrize("definition", KINDS)
def test_an_optional_field_of_the_spec_names_its_default(definition: crd.Definition) -> None:
    silent = [
        f"{path}.{name}"
        for path, part in parts(definition)
        for name, field in part.get("properties", {}).items()
        if path.startswith(".spec") and name not in part.get("required", ())
        if "Default: " not in field["description"] and "Give this or" not in field["description"]
    ]

    assert silent == []


@pytest.mark.parametrize("definition", KINDS)
def test_every_rule_has_a_message(definition: crd.Definition) -> None:
    rules = [rule for _, part in parts(definition) for rule in part.get("x-kubernetes-validations", ())]

    assert rules
    assert all(rule["message"] and "\n" not in rule["message"] for rule in rules)


def test_no_reference_of_a_tenant_has_a_namespace() -> None:
    engine = next(definition for definition in crd.DEFINITIONS if definition.kind == "TensorRTEngine")
    forbidden = ("namespace", "image", "serviceAccount", "nodeName", "nodeSelector", "hostPath", "volume")

    names = [
        name
        for path, part in parts(engine)
        if path.startswith(".spec")
        for name in part.get("properties", {})
    ]

    assert [
        name for name in names if name.lower().startswith(tuple(word.lower() for word in forbidden))
    ] == []


def test_the_files_are_what_the_models_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert crd.main(["--check", str(CRDS)]) == 0
    assert capsys.readouterr().err == ""


def test_writing_twice_changes_nothing(tmp_path: Path) -> None:
    crd.main([str(tmp_path)])
    first = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    crd.main([str(tmp_path)])

    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == first
    assert sorted(first) == sorted(definition.file_name for definition in crd.DEFINITIONS)


@pytest.mark.parametrize("damage", ["edited", "missing", "foreign"])
def test_a_stale_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: str) -> None:
    crd.main([str(tmp_path)])
    stale = tmp_path / "ignitionhub.io_buildpools.yaml"
    if damage == "edited":
        stale.write_text(stale.read_text().replace("maxItems: 16", "maxItems: 17"))
    elif damage == "missing":
        stale.unlink()
    else:
        stale = tmp_path / "ignitionhub.io_forgotten.yaml"
        stale.write_text("kind: CustomResourceDefinition\n")

    assert crd.main(["--check", str(tmp_path)]) == 1
    assert stale.name in capsys.readouterr().err


def test_every_kind_begins_unobserved() -> None:
    defaults = {}
    for path in sorted(CRDS.glob("*.yaml")):
        document = yaml.safe_load(path.read_text())
        schema = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        defaults[document["spec"]["names"]["kind"]] = schema["properties"]["status"].get("default")

    assert defaults == {
        "TensorRTEngine": {"observedGeneration": -1},
        "BuildPool": {"observedGeneration": -1},
        "EngineStore": {"observedGeneration": -1},
    }


class Inner(Part):
    """The inner part."""

    value: int = Field(gt=0, lt=10)
    """Between 0 and 10."""


class Outer(Part):
    """The outer part, in
    two lines.

    And two paragraphs.
    """

    inner: Inner | None = None
    """The description of the field wins."""
    either: int | str = 1
    """Both."""
    word: str = ""
    """Nothing is no default."""


def test_references_unions_and_bounds_become_structural() -> None:
    assert structural_schema(Outer) == {
        "type": "object",
        "description": "The outer part, in two lines.\n\nAnd two paragraphs.",
        "properties": {
            "inner": {
                "type": "object",
                "description": "The description of the field wins.",
                "required": ["value"],
                "properties": {
                    "value": {
                        "type": "integer",
                        "description": "Between 0 and 10.",
                        "minimum": 0,
                        "exclusiveMinimum": True,
                        "maximum": 10,
                        "exclusiveMaximum": True,
                    }
                },
            },
            "either": {"description": "Both.", "default": 1, "x-kubernetes-int-or-string": True},
            "word": {"type": "string", "description": "Nothing is no default."},
        },
    }


class Undecided(Part):
    """A union that no structural schema can say."""

    value: int | list[int]
    """Either."""


class Keyed(Part):
    """Keys with a pattern, which a structural schema cannot say."""

    value: tuple[int, str]
    """A pair."""


@pytest.mark.parametrize(("model", "words"), [(Undecided, "Undecided.value"), (Keyed, "Keyed.value")])
def test_what_has_no_structural_form_is_an_error_with_its_place(model: type[Part], words: str) -> None:
    with pytest.raises(NotStructural, match=words):
        structural_schema(model)
