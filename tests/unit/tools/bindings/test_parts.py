"""Reading bindings: what is asked of the machine, what is compared, and how it says no."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from bindings import cli, collect
from bindings.cli import main
from bindings.errors import BindingsError
from bindings.inventory import Inventory, differences, inventories, inventory_text
from bindings.releases import RELEASES, TENSORRT, release_of, releases_named
from bindings.stubs import make_stubs

NEWEST = release_of(TENSORRT, "11.4.0.106")


def test_an_inventory_reads_back_as_it_was_written(tmp_path: Path) -> None:
    for item in inventories():
        text = inventory_text(item.document)
        assert text == (Path(cli.FOLDER) / item.release.file_name).read_text()
        assert max(map(len, text.splitlines())) < 10_000


def test_one_line_holds_one_class_so_that_two_releases_can_be_compared() -> None:
    lines = inventory_text(Inventory.read(NEWEST).document).splitlines()

    assert len([line for line in lines if line.startswith('  "BuilderFlag": ')]) == 1
    assert len([line for line in lines if line.startswith('  "IBuilderConfig": ')]) == 1


def test_what_came_and_went_is_told_by_name() -> None:
    kept = Inventory.read(NEWEST)
    enums = {name: dict(members) for name, members in kept.document["enums"].items()}
    del enums["BuilderFlag"]["TF32"]
    enums["BuilderFlag"]["FP2"] = 40
    found = replace(kept, document={**kept.document, "enums": enums})

    assert differences(kept, kept) == []
    assert differences(kept, found) == ["gone: BuilderFlag.TF32", "new: BuilderFlag.FP2"]


def test_a_number_that_moved_is_a_difference_too() -> None:
    kept = Inventory.read(NEWEST)
    enums = {**kept.document["enums"], "APILanguage": {"CPP": 1, "PYTHON": 0}}

    assert differences(kept, replace(kept, document={**kept.document, "enums": enums}))


def test_names_of_every_kind_are_found() -> None:
    item = Inventory.read(NEWEST)
    names = (
        "Builder", "BuilderFlag.TF32", "Builder.create_network", "IBuilderConfig.max_aux_streams",
        "ILogger.VERBOSE", "ILogger.Severity", "BuilderFlag.__members__", "__version__",
    )  # fmt: skip

    assert [name for name in names if not item.has(name)] == []
    assert item.settable("IBuilderConfig.max_aux_streams")
    assert not item.settable("IBuilderConfig.num_optimization_profiles")
    assert not any(item.has(name) for name in ("Bilder", "BuilderFlag.FP16", "Nothing.__members__", "a.b"))


def test_a_release_is_named_in_full() -> None:
    assert releases_named(["11.4.0.106"]) == (NEWEST,)
    assert releases_named([]) == RELEASES
    with pytest.raises(ValueError, match=r"no inventory is kept of 11\.4"):
        releases_named(["11.4"])


def test_a_machine_without_a_compiler_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(BindingsError, match=r"nm is not installed\n.*apt-get install gcc"):
        make_stubs(tmp_path / "tensorrt.so", tmp_path)


def test_a_release_that_cannot_be_read_does_not_stop_the_others(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def collected(release: object) -> object:
        if release == NEWEST:
            raise BindingsError("no such wheel", remedy="look elsewhere")
        return Inventory.read(release_of(TENSORRT, "11.3.0.99")).document

    monkeypatch.setattr(cli, "collect", collected)

    assert main(["check", "11.4.0.106", "11.3.0.99"]) == 1
    said = capsys.readouterr()
    assert said.err == "error: no such wheel\nlook elsewhere\n"
    assert said.out == "TensorRT 11.3.0.99: as kept\n"


def test_pips_own_words_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho 'ERROR: No matching distribution found' >&2\nexit 1\n")
    python.chmod(0o755)
    monkeypatch.setattr(collect, "find_pip_python", lambda: str(python))
    monkeypatch.setattr(collect, "cache_folder", lambda: tmp_path)

    with pytest.raises(BindingsError, match=r"TensorRT 11\.4\.0\.106: .*No matching distribution.*\n.*index"):
        collect.collect(NEWEST)


def test_a_release_for_older_pythons_is_read_with_one_and_says_which(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(collect, "sys", SimpleNamespace(version_info=(3, 13, 0)))

    with pytest.raises(BindingsError, match=r"8\.5\.3\.1: .*Python up to 3\.10\n.*python3\.10"):
        collect.collect(release_of(TENSORRT, "8.5.3.1"))
    with pytest.raises(BindingsError, match=r"8\.6\.1: .*Python up to 3\.11\n.*python3\.11"):
        collect.collect(release_of(TENSORRT, "8.6.1"))


def test_a_command_that_is_no_python_of_that_version_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = tmp_path / "python3.10"
    python.write_text("#!/bin/sh\necho 'python3.10: command not found' >&2\nexit 127\n")
    python.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(collect, "sys", SimpleNamespace(version_info=(3, 13, 0)))

    with pytest.raises(BindingsError, match=r"put python3\.10 on the PATH"):
        collect.collect(release_of(TENSORRT, "8.5.3.1"))


def test_libraries_are_left_in_the_wheel() -> None:
    names = ("tensorrt/tensorrt.so", "tensorrt/__init__.py", "tensorrt/libnvinfer.so.8")

    assert [name for name in names if not collect._is_library(name)] == list(names[:2])


def test_a_page_that_is_out_of_date_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "bindings.md"

    assert main(["matrix", "--check", str(page)]) == 1
    assert "make generate" in capsys.readouterr().err
    assert main(["matrix", str(page)]) == 0
    assert main(["matrix", "--check", str(page)]) == 0
