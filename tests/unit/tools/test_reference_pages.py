"""The generated reference pages: all that the code has, and nothing without a description."""

import re
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from ignition_hub.bootstrap import exit_codes as bootstrap_codes
from ignition_hub.cli import errors as cli_errors
from ignition_hub.controller.process import exit_codes as controller_codes
from ignition_hub.engine import names
from ignition_hub.engine.errors import ENDINGS, Reason
from ignition_hub.engine.pod_annotations import (
    ANNOTATION_ENGINES,
    ANNOTATION_MOUNT_PATH,
    ANNOTATION_ON_MISS,
    FOR_THE_FETCHER,
    MOST_ENGINES,
    OnMiss,
)
from ignition_hub.gateway.process import exit_codes as gateway_codes
from reference_pages import described, values
from reference_pages.described import Undescribed
from reference_pages.pages import PAGES

ROOT = Path(__file__).resolve().parents[3]
REFERENCE = ROOT / "docs" / "reference"
SHORT = '''
class Short(Enum):
    # Of nothing.
    Told = "Told"
    """It is told."""
    Untold = "Untold"
'''
NO_KEYS = {names.API_VERSION, names.SCHEDULING_GATE, "ignitionhub.io/controller", "ignitionhub.io/gateway"}
"""What has the group in front and is neither a label nor an annotation."""


@cache
def page(name: str) -> str:
    """One page as the code says it now."""
    return PAGES[name]()


def rows(text: str) -> dict[str, list[str]]:
    """The cells behind the first of each row of the tables, by the first."""
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    return {first.strip("`"): [cell.strip() for cell in rest] for first, *rest in lines}


def module_of(text: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module with this source."""
    module = ModuleType("made")
    exec(text, vars(module))
    monkeypatch.setattr(described.inspect, "getsource", lambda _: text)
    return module


@pytest.mark.parametrize("name", PAGES)
def test_the_page_in_the_docs_is_what_the_code_says(name):
    assert (REFERENCE / name).read_text() == page(name)


def test_the_folder_holds_no_other_page():
    assert {file.name for file in REFERENCE.iterdir()} == set(PAGES)


@pytest.mark.parametrize("name", PAGES)
def test_every_row_is_as_long_as_its_head(name):
    for table in re.findall(r"(?:^\|.*\n)+", page(name), re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.parametrize("name", sorted(set(PAGES) - {"reasons.md"}))
def test_no_row_ends_without_a_description(name):
    assert re.findall(r"^\| (\S+).* \|  \|$", page(name), re.MULTILINE) == []


def test_every_name_of_the_hub_in_the_product_is_on_a_page():
    listed = {key.name for key in described.labels_and_annotations()}
    code = [file.read_text() for file in (ROOT / "operator").rglob("*.py")]
    named = {
        f"ignitionhub.io/{name}" for text in code for name in re.findall(r"f\"\{GROUP\}/([a-z-]+)\"", text)
    }
    spelled = {name for text in code for name in re.findall(r"\"(ignitionhub\.io/[a-z-]+)\"", text)}

    assert len(named) >= 17
    assert (named | spelled) - NO_KEYS - listed == set()
    assert all(name in page("pods.md") + page("nodes.md") for name in listed)


def test_a_label_without_a_description_is_named(monkeypatch):
    module = module_of('LABEL_LOST = "ignitionhub.io/lost"\nOTHER = 1\n', monkeypatch)

    with pytest.raises(Undescribed, match=r"made: LABEL_LOST \(ignitionhub.io/lost\) has no description"):
        list(described.keys_of(module))


def test_a_label_is_told_with_who_writes_it_where(monkeypatch):
    text = 'LABEL_A = "x.io/a"\n"""Node label of the kubelet: a\nthing."""\nLABEL_LENGTH = 3\n'

    assert list(described.keys_of(module_of(text, monkeypatch))) == [
        described.Key("x.io/a", "Node", "label", "the kubelet", "A thing.")
    ]


def test_the_annotations_page_keeps_to_what_admission_reads():
    told = rows(page("pods.md"))
    engines, on_miss = told[str(ANNOTATION_ENGINES)][-1], told[str(ANNOTATION_ON_MISS)][-1]

    assert f"at most {MOST_ENGINES}" in engines
    assert [choice for choice in OnMiss if f"`{choice}`" not in on_miss] == []
    defaults = {one: one.default for one in (ANNOTATION_MOUNT_PATH, ANNOTATION_ON_MISS)}
    assert [
        one for one, default in defaults.items() if f"Default: `{default}`" not in told[str(one)][-1]
    ] == []
    assert [one for one in FOR_THE_FETCHER if str(one) not in told[one.variable][-1]] == []


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_told_with_its_status_and_codes(reason):
    text, row = page("reasons.md"), rows(page("reasons.md"))[reason]

    assert text.count(f"| `{reason}` |") == 1
    assert len(row[0]) > 10
    ending = ENDINGS[reason]
    assert ending.http is None or str(ending.http) in row
    assert not ending.remedy or ending.remedy in row
    assert not (ending.builder or ending.fetcher) or any(
        re.fullmatch(r"(\d+|-) / (\d+|-)", cell) for cell in row
    )


def test_a_reason_without_a_description_is_named(monkeypatch):
    monkeypatch.setattr(described.inspect, "getsource", lambda _: SHORT)
    said = described.members(Reason)

    assert described.headings(Reason) == {"Told": "Of nothing", "Untold": "Of nothing"}
    assert said == {"Told": "It is told.", "Untold": ""}
    with pytest.raises(Undescribed, match=r"errors: Untold has no description; write a docstring under it"):
        described.required("errors", "Untold", said["Untold"])


def test_what_a_job_tries_again_is_told():
    told = rows(page("reasons.md"))

    assert "Job" in told["OutOfMemory"]
    assert "Job" not in told["InvalidModel"]
    assert "Job, init container" in told["GatewayUnavailable"]
    assert "init container" in told["EngineNotReady"]
    assert "controller" in told["SourceNotFound"]


def test_every_exit_code_of_every_program_is_told():
    text = page("exit-codes.md")
    codes = [code for row in ENDINGS.values() for code in (row.builder, row.fetcher) if code is not None]
    for module in (cli_errors, controller_codes, gateway_codes, bootstrap_codes):
        codes += [code for name, code in vars(module).items() if name.isupper()]

    assert len(re.findall(r"^\| \d+ \|", text, re.MULTILINE)) == len(codes)
    assert [code for code in codes if f"| {code} |" not in text] == []


def test_no_command_ends_with_a_code_that_is_not_told():
    files = (ROOT / "operator" / "ignition_hub" / "cli").glob("*.py")
    ends = {end for file in files for end in re.findall(r"typer\.Exit\(([^)]*)\)", file.read_text())}

    told = {name for name in vars(cli_errors) if name.isupper()}
    assert {word for end in ends for word in re.findall(r"\b[A-Z_]{2,}\b", end)} <= told
    assert [end for end in ends if re.search(r"\d", end)] == []


@pytest.mark.parametrize("name", ["__main__.py", "app.py"])
def test_no_process_of_the_hub_ends_with_a_code_that_is_not_told(name):
    files = (ROOT / "operator" / "ignition_hub").rglob(name)
    text = "\n".join(file.read_text() for file in files)

    assert re.findall(r"(?:return|else|sys\.exit\() ?([1-9]\d*)\b", text) == []


def test_every_metric_is_told_with_its_labels():
    told = rows(page("metrics.md"))

    assert told["ignition_controller_writes_total"][:2] == ["counter", "`request`"]
    assert told["ignition_gateway_requests_total"][:2] == ["counter", "`route`, `status`, `reason`"]
    assert told["ignition_gateway_request_seconds"][:2] == ["histogram", "`route`"]
    assert [name for name, row in told.items() if len(row) == 3 and not row[-1]] == []


def test_the_chart_takes_no_value_that_it_does_not_show():
    shown = yaml.safe_load((values.CHART / "values.yaml").read_text())
    schema = yaml.safe_load((values.CHART / "values.schema.json").read_text())

    assert set(schema["properties"]) - set(shown) == {"global"}
    for name, section in schema["properties"].items():
        inner = set(section.get("properties", {}))
        assert inner == set(shown.get(name, {})) or not inner, name


def test_a_value_without_a_description_is_named():
    schema = {"properties": {"a": {"properties": {"b": {"type": "string"}, "c": {"type": "string"}}}}}

    with pytest.raises(Undescribed, match=r"values.yaml: a.c has no description; write a comment above it"):
        list(values.values_of("a:\n  # Told.\n  b: x\n  c: y\n", schema))


def test_a_value_is_told_by_the_comment_above_it_or_else_by_the_schema():
    text = "# Head.\n\na:\n  # One\n  # two.\n  b: 1\n  c: []\n"
    schema = {
        "$defs": {"c": {"description": "Three.", "type": "array", "items": {"type": "string"}}},
        "properties": {
            "a": {
                "properties": {
                    "b": {"type": "integer", "minimum": 0, "maximum": 9},
                    "c": {"$ref": "#/$defs/c"},
                }
            }
        },
    }

    assert list(values.values_of(text, schema)) == [
        values.Value("a.b", "1", "0 to 9", "One two."),
        values.Value("a.c", "[]", "list of string", "Three."),
    ]
