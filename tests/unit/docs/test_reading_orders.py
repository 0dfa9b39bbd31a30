"""What a newcomer is told to read is there: the pages of the packages, and the maps in the Markdown files."""

import importlib
import pkgutil
import re
from pathlib import Path

import pytest

from besidetensorrt import runs_here

ROOT = Path(__file__).parents[3]
PACKAGES = (
    "ignition_hub.controller",
    "ignition_hub.controller.adapters",
    "ignition_hub.controller.passes",
    "ignition_hub.controller.policy",
    "ignition_hub.controller.process",
    "ignition_hub.compatibility",
    "ignition_hub.engine",
    "ignition_hub.fetch",
    "ignition_hub.gateway",
    "ignition_hub.gateway.admission",
    "ignition_hub.gateway.artifacts",
    "ignition_hub.gateway.process",
    "ignition_hub.gateway.routes",
    "ignition_hub.kube",
    "ignition_hub.layouts",
    "ignition_hub.local",
    "ignition_hub.store",
    "ignition_hub.wire",
    "ignition_builder",
    "ignition_builder.checking",
    "ignition_builder.compiling",
    "ignition_builder.hub",
    "ignition_builder.precision",
    "ignition_builder.verifying",
    "images",
    "localcluster",
)


NOT_KEPT = {"build", "dist", "shared"}
"""Folders of a checkout that git does not keep."""


@pytest.mark.parametrize("name", [name for name in PACKAGES if runs_here(name)])
def test_a_package_names_only_modules_that_exist(name):
    package = importlib.import_module(name)
    exist = {module.name for module in pkgutil.iter_modules(package.__path__)}
    around = {module.name for module in pkgutil.iter_modules([str(Path(package.__path__[0]).parent)])}
    named = set(re.findall(r"``([a-z_0-9]+)``", package.__doc__ or ""))

    assert len(named & exist) >= 3
    assert named - exist - around - set(vars(package)) == set()


def test_the_map_of_folders_names_only_what_exists():
    assert len(mapped()) >= 50
    assert [path for path in mapped() if not (ROOT / path).exists()] == []


@pytest.mark.parametrize(
    "folder",
    ["", "operator/ignition_hub", "builder-image/ignition_builder", "tests", "tests/tools", "docs"],
)
def test_every_folder_is_on_the_map(folder):
    inside = [path for path in (ROOT / folder).iterdir() if path.is_dir() and any(written_in(path))]
    kept = [path for path in inside if path.name[0] not in "._" and path.name not in NOT_KEPT]
    listed = {path.strip("/") for path in mapped()}
    parents = {str(parent) for path in listed for parent in Path(path).parents}

    names = {str(path.relative_to(ROOT)) for path in kept}
    assert len(names) >= 2
    assert names - listed - parents == set()


def written_in(folder):
    """Every file below a folder that somebody wrote: Python leaves its bytecode behind where one was."""
    return (path for path in folder.rglob("*.*") if path.is_file() and path.suffix != ".pyc")


def mapped():
    """Every path with a slash in a table of CONTRIBUTING."""
    rows = [line for line in (ROOT / "CONTRIBUTING.md").read_text().splitlines() if line.startswith("|")]
    return [
        path for row in rows for quoted in re.findall(r"`([^`]*/[^`]*)`", row) for path in spelled_out(quoted)
    ]


def spelled_out(path):
    """``a/{b,c}`` as ``a/b`` and ``a/c``."""
    before, brace, rest = path.partition("{")
    if not brace:
        return [path]
    names, _, after = rest.partition("}")
    return [f"{before}{name}{after}" for name in names.split(",")]
