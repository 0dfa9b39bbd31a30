"""What a new release, metric or store changes outside of its table: a place that was missed is named."""

import re
from collections.abc import Iterator
from dataclasses import fields

import pytest
import yaml

from bindings.releases import RELEASES, TENSORRT, TENSORRT_RTX
from ignition_hub.compatibility.runtimes import NEXT_MAJOR
from ignition_hub.compatibility.support_matrix import RTX_ARCHS
from ignition_hub.controller.process.counters import Counters
from ignition_hub.controller.process.metrics import Vitals
from ignition_hub.engine import plan_header
from ignition_hub.gateway.process.metrics import Metrics
from images.paths import ROOT
from images.tags import read_tags, without_image
from stores.kinds import Kind
from stores.table import SERVERS

ON_ARM = {"sm_121"}
"""What is on Arm nodes alone: an engine that an x86 pool compiles for it would load nowhere."""


def text_of(path: str) -> str:
    return (ROOT / path).read_text()


def newest(flavor: str) -> str:
    return max(release for release in RELEASES if release.flavor == flavor).version


RTX_VERSIONS = {
    "charts/ignition-hub/values.yaml": r"^    version: (1\.[\d.]+)$",
    "examples/pool-rtx.yaml": r"^      version: (1\.[\d.]+)\b",
    "requirements/builder-rtx.txt": r"^tensorrt-rtx==([\d.]+)",
    "requirements/test-3.10.txt": r"^tensorrt-rtx==([\d.]+)",
    "requirements/dev.txt": r"^tensorrt-rtx==([\d.]+)",
}


@pytest.mark.parametrize("path", RTX_VERSIONS)
def test_the_newest_tensorrt_rtx_whose_bindings_are_kept_is_what_is_installed(path: str) -> None:
    assert re.findall(RTX_VERSIONS[path], text_of(path), re.MULTILINE) == [newest(TENSORRT_RTX)]


def test_a_major_version_whose_bindings_are_kept_has_a_place_in_next_major() -> None:
    assert int(newest(TENSORRT).partition(".")[0]) in {*NEXT_MAJOR, *NEXT_MAJOR.values()}


@pytest.mark.parametrize("path", ["charts/ignition-hub/values.yaml", "examples/pool-rtx.yaml"])
def test_an_x86_pool_compiles_for_everything_that_x86_nodes_have(path: str) -> None:
    document = yaml.safe_load(text_of(path))
    pool = document["pools"]["rtx"] if "pools" in document else document["spec"]["aheadOfTime"]

    assert pool["archs"] == [arch for arch in RTX_ARCHS if arch not in ON_ARM]


@pytest.mark.parametrize(
    ("path", "listed"),
    [
        ("charts/ignition-hub/values.schema.json", r'"archs": \{.*?"enum": \[(.*?)\]'),
        ("docs/laptop.md", r"compiles on any x86 machine for (.*?)\."),
    ],
)
def test_a_list_of_what_tensorrt_rtx_compiles_for_is_whole(path: str, listed: str) -> None:
    (found,) = re.findall(listed, text_of(path), re.DOTALL)

    assert re.findall(r"sm_\d+", found) == list(RTX_ARCHS)


def test_a_plans_header_names_everything_that_tensorrt_rtx_compiles_for() -> None:
    assert list(plan_header._CAPABILITIES.values()) == list(RTX_ARCHS)


def minors_of(versions: list[str]) -> set[str]:
    return {".".join(version.split(".")[:2]) for version in versions if "." in version}


def test_a_release_whose_bindings_are_kept_has_an_image_or_is_listed_as_without() -> None:
    tags = ROOT / "builder-image" / "tags.toml"
    kept = minors_of([release.version for release in RELEASES if release.flavor == TENSORRT])
    held = minors_of([row["tensorrt"] for row in read_tags(tags)])
    without = set(without_image(tags))

    assert kept - held - without == set(), (
        "builder-image/tags.toml: add its image, or list it in without_image"
    )
    assert without & held == set(), "builder-image/tags.toml: take out of without_image what has an image"


def sources(folder: str) -> Iterator[tuple[str, str]]:
    """Every module below a folder of the product: its path and its text."""
    for file in sorted((ROOT / "operator" / "ignition_hub" / folder).rglob("*.py")):
        yield str(file.relative_to(ROOT)), file.read_text()


METRICS = {**vars(Metrics()), **vars(Metrics().of_fetches)}


@pytest.mark.parametrize("name", sorted(METRICS.keys() - {"registry", "of_fetches"}))
def test_a_metric_of_the_gateway_is_counted_somewhere(name: str) -> None:
    counts = re.compile(
        rf"metrics\.{name}(\.labels\([^\n]*\))?\.(inc|set|set_function|observe|track_inprogress)\("
    )

    assert any(counts.search(text) for _, text in sources("gateway")), f"nothing counts Metrics.{name}"


@pytest.mark.parametrize("name", sorted(set(vars(Counters())) - {"registry"}))
def test_a_counter_of_the_controller_is_counted_somewhere(name: str) -> None:
    counts = re.compile(rf"counters\.{name}(\.labels\([^\n]*\)\.(inc|observe)\(|$)", re.MULTILINE)

    assert any(counts.search(text) for _, text in sources("controller")), f"nothing counts Counters.{name}"


@pytest.mark.parametrize("name", [field.name for field in fields(Vitals)])
def test_a_vital_of_the_controller_is_told_somewhere(name: str) -> None:
    text = text_of("operator/ignition_hub/controller/process/metrics.py")

    assert re.search(rf"(vitals|_look\(\))\.{name}\b", text), (
        f"nothing in process/metrics.py tells Vitals.{name}"
    )


def places_of_a_store() -> list[str]:
    """What CONTRIBUTING says is edited for a second store backend."""
    (row,) = re.findall(
        r"^\| a second store backend \| [^|]* \| (.*?) \|", text_of("CONTRIBUTING.md"), re.MULTILINE
    )
    return re.findall(r"`([^`]*/[^`]*)`", row)


def test_what_knows_the_address_or_the_client_of_a_bucket_is_in_the_row_of_a_store_backend() -> None:
    knows = re.compile(r"\"s3://\"|'s3://'|f\"s3://|(?:import|from) boto|spec\[\"s3\"\]|store_spec\[\"s3\"\]")
    places = tuple(places_of_a_store())

    missed = [path for path, text in sources("") if knows.search(text) and not path.startswith(places)]
    assert missed == [], "name them in the row of CONTRIBUTING, or leave addresses to engine/sources.py"


@pytest.mark.parametrize("kind", SERVERS.values(), ids=SERVERS)
def test_an_s3_server_of_the_tests_has_a_row_of_what_its_release_was_seen_to_lack(kind: Kind) -> None:
    row = rf"^\| `{kind.name}` \| {re.escape(kind.version)} \| [^|]+ \| ([^|]+) \| [^|]+ \|$"
    (lacks,) = re.findall(row, text_of("docs/stores.md"), re.MULTILINE)

    assert kind.lacks <= set(lacks.split("; ")) - {"-"} <= kind.lacks | kind.may_lack
