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


@pytest.mark.parametrize("name", [name for name in PACKAGES if runs_here(name)])
def test_a_package_names_only_modules_that_exist(name):
    package = importlib.import_module(name)
    exist = {module.name for module in pkgutil.iter_modules(package.__path__)}
    around = {module.name for module in pkgutil.iter_modules([str(Path(package.__path__[0]).parent)])}
    named = set(re.findall(r"``([a-z_0-9]+)``", package.__doc__ or ""))

    assert len(named & exist) >= 3
    assert named - exist - around - set(vars(package)) == set()


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_map_of_folders_names_only_what_exists(page):
    rows = [line for line in (ROOT / page).read_text().splitlines() if line.startswith("|")]
    paths = [
        path for row in rows for quoted in re.findall(r"`([^`]*/[^`]*)`", row) for path in spelled_out(quoted)
    ]

    assert len(paths) >= 5
    assert [path for path in paths if not (ROOT / path).exists()] == []


def spelled_out(path):
    """``a/{b,c}`` as ``a/b`` and ``a/c``."""
    before, brace, rest = path.partition("{")
    if not brace:
        return [path]
    names, _, after = rest.partition("}")
    return [f"{before}{name}{after}" for name in names.split(",")]
