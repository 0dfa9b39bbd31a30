"""What runs beside TensorRT is tested on Python 3.10: the rule leaves out the hub's tests and no others."""

import re
import tomllib
from pathlib import Path

import pytest

import ignition_hub
from besidetensorrt import (
    HUB,
    HUBS_LIBRARIES,
    OLDEST,
    TESTS,
    files_for_newer,
    imported,
    is_for_newer,
    needs_newer,
    oldest_python,
)

ROOT = TESTS.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
UNIT = sorted((TESTS / "unit").rglob("test_*.py"))
LEFT_OUT = files_for_newer(TESTS / "unit")


def packages():
    """Every package and module of the product that has to run beside TensorRT."""
    hub, builder = ROOT / "operator/ignition_hub", ROOT / "builder-image/ignition_builder"
    names = [
        f"{folder.name}.{place.stem}"
        for folder in (hub, builder)
        for place in folder.iterdir()
        if (place / "__init__.py").exists() or (folder == hub and place.suffix == ".py")
    ]
    return sorted(name for name in names if not name.endswith(".__init__") and not is_for_newer(name))


def files_with_tests_of(package):
    return {file for file in UNIT if any(f"{name}.".startswith(f"{package}.") for name in modules_of(file))}


def modules_of(file):
    """What a file imports; what ``ignition_hub`` brings when it is asked for is the library's."""
    lazy = {f"ignition_hub.{name}" for name in ignition_hub.__all__ if name.islower() and name[0] != "_"}
    return {"ignition_hub.library" if name in lazy else name for name in imported(file)}


@pytest.mark.parametrize("package", packages())
def test_every_package_beside_tensorrt_has_tests_that_run_on_the_oldest_python(package):
    assert files_with_tests_of(package) - set(LEFT_OUT)


def test_the_list_of_packages_is_the_whole_product_without_the_hub():
    assert {"ignition_hub.engine", "ignition_hub.library", "ignition_builder.precision"} <= set(packages())
    assert not {name for name in packages() if name.startswith(HUB)}
    assert len(packages()) >= 17


def test_most_of_the_tests_run_on_the_oldest_python():
    assert len(LEFT_OUT) <= 0.3 * len(UNIT)


def test_a_file_is_left_out_for_what_it_imports_by_way_of_others():
    unit = TESTS / "unit"

    assert needs_newer(unit / "gateway/test_parts.py") is not None
    assert "gateway" not in "".join(imported(unit / "chart/test_rendering.py"))
    assert needs_newer(unit / "chart/test_rendering.py") == "localcluster.paths"
    assert needs_newer(unit / "cli/test_plan.py") is None


def test_an_import_inside_a_function_counts(tmp_path: Path):
    file = tmp_path / "test_it.py"
    file.write_text("def test_it():\n    from ignition_hub.kube import client\n")

    assert needs_newer(file) == "ignition_hub.kube"


def test_the_linter_and_the_import_contract_name_the_same_hub():
    (ruff,) = (
        glob for glob in PROJECT["tool"]["ruff"]["per-file-target-version"] if glob.startswith("operator")
    )
    names = re.search(r"\{(.*)\}", ruff)
    (contract,) = (
        one for one in PROJECT["tool"]["importlinter"]["contracts"] if "Python 3.10" in one["name"]
    )

    assert names is not None
    assert tuple(f"ignition_hub.{name}" for name in names[1].split(",")) == HUB
    assert set(contract["forbidden_modules"]) == {*HUB, *HUBS_LIBRARIES}
    sources = {name for name in packages() if name.startswith("ignition_hub.")} | {"ignition_builder"}
    assert set(contract["source_modules"]) == sources


def test_the_package_says_that_it_takes_the_oldest_python():
    assert PROJECT["project"]["requires-python"] == f">={OLDEST}"
    assert PROJECT["tool"]["ruff"]["target-version"] == "py" + OLDEST.replace(".", "")
    assert f"Programming Language :: Python :: {OLDEST}" in PROJECT["project"]["classifiers"]


def test_the_builder_image_takes_the_oldest_python_and_no_module_of_another_release():
    dockerfile = (ROOT / "builder-image/Dockerfile").read_text()

    assert f"sys.version_info >= ({OLDEST.replace('.', ', ')}) else" in dockerfile
    assert "tensorrt_bindings" not in dockerfile


def test_a_python_that_does_not_run_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """pyenv puts a python3.10 on the PATH that only says which versions have one."""
    shim, real = tmp_path / "shims/python3.10", tmp_path / "pyenv/versions/3.10.99/bin/python3.10"
    for file, script in ((shim, "exit 127"), (real, "echo 3.10 cpython")):
        file.parent.mkdir(parents=True)
        file.write_text(f"#!/bin/sh\n{script}\n")
        file.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    monkeypatch.setenv("UV_PYTHON_INSTALL_DIR", str(tmp_path))

    assert oldest_python() == real
    real.unlink()
    assert oldest_python() is None
