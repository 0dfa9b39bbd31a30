"""What a new release or architecture changes outside of the tables: a place that was missed is named."""

import re

import pytest
import yaml

from bindings.releases import RELEASES, TENSORRT, TENSORRT_RTX
from ignition_hub.compatibility.runtimes import NEXT_MAJOR
from ignition_hub.compatibility.support_matrix import RTX_ARCHS
from ignition_hub.engine import plan_header
from images.paths import ROOT

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
