"""What lies beside an engine for the program that serves it: whole or not there, and never a second copy."""

import errno
import itertools
import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from fetch_harness import ENGINE, nothing_is_visible, running_world
from ignition_hub.fetch import beside
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.place import EnginePaths
from ignition_hub.layouts.files import LayoutFile
from servedmanifests import SERVED, manifest_of

CONFIG, PLAN = "config.pbtxt", "1/model.plan"


@pytest.fixture
def world(tmp_path, monkeypatch):
    with running_world(tmp_path, monkeypatch) as world:
        world.extra = {"manifest": SERVED["images"].to_json()}
        yield world


def names(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_pod_of_triton_finds_a_model_beside_the_engine(world):
    assert world.run(IGNITION_LAYOUT="triton") == 0

    folder = world.paths.folder
    assert names(folder) == ["1", PLAN, CONFIG, "engine.json", "model.engine"]
    assert (folder / PLAN).read_bytes() == ENGINE
    assert (folder / CONFIG).read_text().startswith('name: "model"\n')


def test_every_user_may_read_the_model_and_there_is_one_copy_of_the_engine(world):
    world.run(IGNITION_LAYOUT="triton")

    folder = world.paths.folder
    assert (folder / PLAN).samefile(world.paths.engine)
    assert stat.S_IMODE((folder / "1").stat().st_mode) == 0o755
    assert {stat.S_IMODE((folder / name).stat().st_mode) for name in (PLAN, CONFIG)} == {0o444}


def test_a_layout_that_is_there_is_left_alone(world):
    world.run(IGNITION_LAYOUT="triton")
    before = (world.paths.folder / CONFIG).stat().st_ino

    assert world.run(IGNITION_LAYOUT="triton") == 0
    assert (world.paths.folder / CONFIG).stat().st_ino == before


def test_an_engine_that_its_program_cannot_serve_is_refused_before_a_byte_is_fetched(world):
    scalar = manifest_of([("x", "float", [1])], [("y", "float", [])])
    world.extra = {"manifest": scalar.to_json()}

    assert world.run(IGNITION_LAYOUT="triton") == 50
    assert world.message.startswith(
        "UnsupportedLayout: engine model: Triton cannot serve the engine: 'y' is a "
    )
    assert (world.ranges, nothing_is_visible(world)) == ([], True)


@pytest.mark.parametrize(
    "manifest", [None, "v9", {}, {"inputs": {}, "build": []}, {"inputs": {}, "build": {}}]
)
def test_an_answer_that_does_not_say_what_the_engine_is_names_the_two_versions(world, manifest):
    world.extra = {"manifest": manifest}

    assert world.run(IGNITION_LAYOUT="triton") == 43
    assert "different versions" in world.message


def test_a_plain_pod_needs_no_account_of_the_engine(world):
    world.extra = {}

    assert world.run() == 0


class Killed(BaseException):
    """The process ended here."""


EFFECTS = ((os, "link"), (os, "fsync"), (Path, "mkdir"), (Path, "replace"), (Path, "unlink"))


def killed_at(moment, monkeypatch):
    """End the process right before its effect of this number on the disk."""
    count = itertools.count()
    for owner, name in EFFECTS:
        monkeypatch.setattr(owner, name, mortal(getattr(owner, name), count, moment))


def mortal(real, count, moment):
    def effect(*arguments, **named):
        if next(count) == moment:
            raise Killed
        return real(*arguments, **named)

    return effect


def laid(paths, word, engine):
    """Put an engine there as ``place`` does, and what lies beside it."""
    paths.folder.mkdir(exist_ok=True)
    new = paths.folder / ".new"
    new.write_bytes(engine)
    new.replace(paths.engine)
    beside.lay_out(files_of(word), paths)


def files_of(word):
    return (LayoutFile(CONFIG, word), LayoutFile("labels.txt", word), LayoutFile(PLAN))


def seen(paths):
    """The words of the configurations and the bytes of the engine; None where there is no engine to serve."""
    folder = paths.folder
    if not (folder / PLAN).exists():
        return None
    return (folder / CONFIG).read_bytes(), (folder / "labels.txt").read_bytes(), (folder / PLAN).read_bytes()


@pytest.mark.parametrize("engine", [b"new plan", b"old plan"])
def test_a_run_that_is_killed_anywhere_leaves_the_old_model_none_or_the_new_one(
    tmp_path, monkeypatch, engine
):
    old, new = (b"old", b"old", b"old plan"), (b"new", b"new", engine)
    for moment in itertools.count():
        paths = EnginePaths(tmp_path / str(moment))
        laid(paths, b"old", b"old plan")
        if engine != b"old plan":
            (paths.folder / ".new").write_bytes(engine)
            (paths.folder / ".new").replace(paths.engine)
        with monkeypatch.context() as patch:
            killed_at(moment, patch)
            try:
                beside.lay_out(files_of(b"new"), paths)
            except Killed:
                is_killed = True
            else:
                is_killed = False
        assert seen(paths) in ((old, None, new) if is_killed else (new,))
        beside.lay_out(files_of(b"new"), paths)
        assert seen(paths) == new
        if not is_killed:
            break
        shutil.rmtree(paths.folder)
    assert moment > 8, "every effect was an end once"


def test_a_volume_without_hard_links_is_refused_and_holds_no_second_copy(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "link", refused)
    paths = EnginePaths(tmp_path / "model")

    with pytest.raises(FetchError, match="cannot be a hard link") as error:
        laid(paths, b"new", b"plan")

    assert error.value.exit_code == 50
    assert seen(paths) is None


def test_a_model_of_onnxruntime_tells_of_the_plan_that_was_fetched(world):
    build = replace(SERVED["fixed"].build, flavor="TensorRTRTX")
    world.extra = {"manifest": replace(SERVED["fixed"], build=build).to_json()}

    assert world.run(IGNITION_LAYOUT="epcontext") == 0

    folder = world.paths.folder
    assert names(folder) == ["context.engine", "engine.json", "model.engine", "model.onnx"]
    assert ENGINE[:64].hex().encode() in (folder / "model.onnx").read_bytes()
