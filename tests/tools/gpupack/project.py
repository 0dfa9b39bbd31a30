"""
What is proven over there: the project as it stands in the working tree, and the networks with their inputs.
"""

import shutil
from pathlib import Path

from accuracy_checks.export import export
from gpupack.python import ROOT
from gpupack.running import ask

CARRIED = ("operator/ignition_hub", "builder-image/ignition_builder", "tests", "pyproject.toml")


def put_project(folder: Path) -> Path:
    """Copy the files git knows of what runs there to ``folder``/project."""
    target = folder / "project"
    listed = ask(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard", *CARRIED])
    for name in listed.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target / name)
    return target


def put_networks(folder: Path) -> Path:
    """Write the trained networks with inputs and calibration data to ``folder``/networks."""
    target = folder / "networks"
    target.mkdir()
    export(target)
    return target
