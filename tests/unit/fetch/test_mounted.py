"""An engine that the kubelet mounted as an image: used only if it is the signed one that was chosen."""

import hashlib
import json

import pytest

from fetch_harness import ENGINE, nothing_is_visible, running_world
from ignition_hub.fetch import settings

SHA256 = hashlib.sha256(ENGINE).hexdigest()
OLDER = bytes(range(255, -1, -1)) * 640


@pytest.fixture
def world(tmp_path, monkeypatch):
    with running_world(tmp_path, monkeypatch) as world:
        monkeypatch.setattr(settings, "IMAGES_FOLDER", str(tmp_path / "images"))
        yield world


def mounted(world, content, name="model.engine"):
    folder = world.folder / "images" / "model"
    folder.mkdir(parents=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_a_mounted_engine_is_verified_where_it_is_and_nothing_is_downloaded(world):
    there = mounted(world, ENGINE)

    assert world.run(IGNITION_IMAGES=f"model={SHA256}") == 0
    assert world.ranges == []
    assert world.paths.engine.readlink() == there
    assert world.paths.engine.read_bytes() == ENGINE
    assert json.loads(world.paths.record.read_text())["sha256"] == SHA256
    assert sorted(path.name for path in world.paths.folder.iterdir()) == ["engine.json", "model.engine"]
    assert [each["outcome"] for _, reports in world.reports for each in reports] == ["present"]


@pytest.mark.parametrize(
    ("content", "name", "says"),
    [
        (ENGINE[:-1] + b"x", "model.engine", "the mounted image holds SHA-256"),
        (ENGINE[:-1], "model.engine", f"the mounted image holds no model.engine of {len(ENGINE)} bytes"),
        (ENGINE, "other.engine", "the mounted image holds no model.engine"),
    ],
)
def test_an_image_that_holds_something_else_ends_the_pod_with_a_reason(world, content, name, says):
    mounted(world, content, name)

    assert world.run(IGNITION_IMAGES=f"model={SHA256}") == 41
    assert world.message.startswith("DigestMismatch: resnet_v1_fp16_sm_89_10.13.2.trt: " + says)
    assert "Check who can push to the registry" in world.message
    assert nothing_is_visible(world)
    assert world.ranges == []


def test_an_engine_that_was_chosen_after_the_pod_was_created_is_downloaded(world, capsys):
    mounted(world, OLDER)

    assert world.run(IGNITION_IMAGES=f"model={hashlib.sha256(OLDER).hexdigest()}") == 0
    assert world.paths.engine.read_bytes() == ENGINE
    assert not world.paths.engine.is_symlink()
    assert f"engine {SHA256[:16]} was chosen since: it is downloaded" in capsys.readouterr().out


def test_a_container_that_starts_again_after_a_rebuild_gets_the_new_engine_in_place_of_the_mounted(world):
    mounted(world, ENGINE)
    world.run(IGNITION_IMAGES=f"model={SHA256}")
    world.content, world.digest = OLDER, hashlib.sha256(OLDER).hexdigest()

    assert world.run(IGNITION_IMAGES=f"model={SHA256}") == 0
    assert world.paths.engine.read_bytes() == OLDER
    assert (world.folder / "images" / "model" / "model.engine").read_bytes() == ENGINE


def test_what_an_earlier_download_left_goes_when_the_mounted_engine_is_used(world):
    world.paths.folder.mkdir(parents=True)
    for unfinished in (world.paths.partial, world.paths.journal):
        unfinished.write_text("{}")
    mounted(world, ENGINE)

    assert world.run(IGNITION_IMAGES=f"model={SHA256}") == 0
    assert sorted(path.name for path in world.paths.folder.iterdir()) == ["engine.json", "model.engine"]


@pytest.mark.parametrize("text", ["model", "model=12", f"../etc={SHA256}", f".hidden={SHA256}"])
def test_images_that_the_webhook_would_not_name_are_refused(world, text):
    assert world.run(IGNITION_IMAGES=text) == 47
    assert "IGNITION_IMAGES" in world.message
