"""The alerts and the dashboard of the chart, checked by promtool, and against the metrics that there are."""

import json
import re
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from promtool.paths import program

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "ignition-hub"
RULES = CHART / "files" / "alerts.yaml"
TESTS = Path(__file__).with_name("alerts_test.yaml")
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum"), "summary": ("_count", "_sum")}

needs_promtool = pytest.mark.skipif(
    not program().exists(), reason="promtool is not built: PYTHONPATH=tests/tools python3 -m promtool build"
)


def promtool(*arguments: str) -> str:
    """Run promtool, and return what it said; it fails the test when it is not content."""
    command = [str(program()), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rules_of(document: Json) -> list[Json]:
    return [rule for group in document["groups"] for rule in group["rules"]]


def alerts() -> list[Json]:
    return rules_of(yaml.safe_load(RULES.read_text()))


@pytest.fixture(scope="module")
def dashboard() -> Json:
    board: Json = json.loads((CHART / "files" / "dashboard.json").read_text())
    return board


@pytest.fixture(scope="module")
def series() -> set[str]:
    """Every series that the hub has, from the page that `make verify` compares with the registries."""
    page = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    listed = re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE)
    assert len(listed) > 30
    return {name + suffix for name, kind in listed for suffix in SUFFIXES.get(kind, ("",))}


def named_in(expression: str) -> set[str]:
    programs = ("controller", "gateway")
    each = {expression.replace("(controller|gateway)", program) for program in programs}
    return set(re.findall(r"ignition_\w+", " ".join(each)))


def queries(board: Json) -> Iterator[tuple[str, str]]:
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES))


@needs_promtool
def test_each_alert_fires_in_the_world_it_is_for_and_stays_quiet_in_the_one_beside_it() -> None:
    promtool("test", "rules", str(TESTS))


def test_each_alert_has_both_worlds() -> None:
    tested = re.findall(r"^  - name: (\w+) (fires|stays quiet), (\w+) - ", TESTS.read_text(), re.MULTILINE)

    names = {(rule["alert"], rule["labels"]["severity"]) for rule in alerts()}
    assert {(name, severity) for name, does, severity in tested if does == "fires"} == names
    assert {(name, severity) for name, does, severity in tested if does == "stays quiet"} == names


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: f"{rule['alert']}-{rule['labels']['severity']}")
def test_an_alert_waits_has_a_severity_says_what_is_lost_and_has_a_section_that_helps(rule: Json) -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text()

    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert re.fullmatch(r"[1-9]\d*[mh]", rule["for"])
    assert set(rule["annotations"]) == {"summary", "description"}
    assert re.search(rf"^### {rule['alert']}$", page, re.MULTILINE)


def test_every_series_that_alerts_and_dashboard_ask_for_exists(dashboard: Json, series: set[str]) -> None:
    asked = [(rule["alert"], rule["expr"]) for rule in alerts()] + list(queries(dashboard))

    unknown = {where: named_in(expression) - series for where, expression in asked}
    assert {where: names for where, names in unknown.items() if names} == {}
    assert all(named_in(expression) for _, expression in asked)


@needs_promtool
def test_prometheus_reads_every_query_of_the_dashboard(dashboard: Json, tmp_path: Path) -> None:
    records = [
        {"record": f"panel:query:{number}", "expr": expression.replace("$__rate_interval", "5m")}
        for number, (_, expression) in enumerate(queries(dashboard))
    ]
    file = tmp_path / "queries.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": records}]}))

    assert f"SUCCESS: {len(records)} rules found" in promtool("check", "rules", str(file))


def test_the_panels_of_the_dashboard_have_numbers_of_their_own_and_lie_beside_each_other(
    dashboard: Json,
) -> None:
    panels = dashboard["panels"]
    ids = [panel["id"] for panel in panels]
    assert len(set(ids)) == len(ids)

    places = [panel["gridPos"] for panel in panels]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    assert [pair for pair in combinations(places, 2) if overlap(*pair)] == []


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[at] < other[at] + other[size] and other[at] < one[at] + one[size]
        for at, size in (("x", "w"), ("y", "h"))
    )


def test_the_dashboard_asks_the_data_source_that_its_reader_chose(dashboard: Json) -> None:
    [variable] = dashboard["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")

    shown = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    sources = [part["datasource"] for panel in shown for part in (panel, *panel["targets"])]
    assert {json.dumps(source, sort_keys=True) for source in sources} == {
        '{"type": "prometheus", "uid": "${datasource}"}'
    }
    references = [[target["refId"] for target in panel["targets"]] for panel in shown]
    assert all(len(set(each)) == len(each) for each in references)
    assert all(panel["fieldConfig"]["defaults"]["unit"] for panel in shown)
