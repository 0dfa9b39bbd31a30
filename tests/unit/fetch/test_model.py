"""A pod for whose GPU there is no engine gets the ONNX model: all of it, verified, or nothing."""

import hashlib
import json
import os
import stat

import pytest

from fetch_harness import ENGINE, KIB, SIGNATURE, replaced_after_transfer, running_world
from ignition_hub.engine.fingerprint import bundle_digest
from ignition_hub.fetch import model

WHY = "resnet has no engine for NVIDIA-A10 (sm_86): its targets are for sm_89 (Ready)"
TOLD = f"resnet: the ONNX model and no engine: {WHY}."
MODEL = bytes(range(255)) * 4 * 100
WEIGHTS = {"weights/a.bin": b"a" * 40 * KIB, "engine.json": b"b" * KIB, "b.partial": b"c" * 20 * KIB}
PARTS = 7 + 3 + 1 + 2
"""Of 16 KiB at most, of all files of the bundle."""


@pytest.fixture
def world(tmp_path, monkeypatch):
    with running_world(tmp_path, monkeypatch) as world:
        yield world


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def offer(world, files, *, is_bundle=False, digest=None):
    """Let the gateway answer with these files, and the store have them."""
    listing = {name: (sha256(data), len(data)) for name, data in files.items()}
    world.objects = {f"/models/{name}?{SIGNATURE}": data for name, data in files.items()}
    answer = {
        "name": "resnet",
        "delivered": "Model",
        "why": WHY,
        "sha256": digest or (bundle_digest(listing) if is_bundle else sha256(files["model.onnx"])),
        "is_bundle": is_bundle,
        "files": [
            {"name": name, "url": f"{world.url}/models/{name}?{SIGNATURE}", "size": len(data)}
            for name, data in files.items()
        ],
    }
    world.resolves = [(200, answer) for _ in range(9)]
    return answer


def offer_bundle(world, **changed):
    return offer(world, {"net.onnx": MODEL, **WEIGHTS}, is_bundle=True, **changed)


def fall_back(world, **changed):
    return world.run(IGNITION_ON_MISS="Fallback", **changed)


def files_of(world):
    folder = world.paths.folder
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_model_arrives_whole_and_every_user_may_read_it(world):
    offer(world, {"model.onnx": MODEL})

    assert fall_back(world) == 0
    assert files_of(world) == {"engine.json", "onnx/model.onnx"}
    arrived = world.paths.folder / "onnx" / "model.onnx"
    assert arrived.read_bytes() == MODEL
    assert stat.S_IMODE(arrived.stat().st_mode) == 0o444
    assert stat.S_IMODE(world.paths.model.stat().st_mode) == 0o755


def test_the_gateway_is_told_that_the_pod_falls_back(world):
    offer(world, {"model.onnx": MODEL})
    fall_back(world)

    assert world.asked == ["/v1/engines/resnet/resolve?on-miss=Fallback"]


def test_a_pod_that_falls_back_takes_an_engine_where_there_is_one(world):
    assert fall_back(world) == 0
    assert world.paths.engine.read_bytes() == ENGINE
    assert "no engine" not in world.message


def test_the_line_the_termination_message_and_the_record_say_why(world, capsys):
    offer(world, {"model.onnx": MODEL})
    fall_back(world)

    record = json.loads(world.paths.record.read_text())
    assert (record["delivered"], record["why"], record["sha256"]) == ("Model", WHY, sha256(MODEL))
    assert record["files"] == [{"name": "model.onnx", "size": len(MODEL)}]
    assert SIGNATURE not in world.paths.record.read_text()
    assert world.message == TOLD
    assert f"model: resnet as ONNX, {len(MODEL)} bytes, digest verified" in capsys.readouterr().out


def test_the_gateway_hears_that_it_was_the_model(world):
    offer(world, {"model.onnx": MODEL})
    fall_back(world)

    [(_, [account])] = world.reports
    assert (account["outcome"], account["fetched_bytes"]) == ("fallback", len(MODEL))


def test_a_model_arrives_with_its_external_data(world):
    offer_bundle(world)

    assert fall_back(world) == 0
    folder = world.paths.model
    assert (folder / "model.onnx").read_bytes() == MODEL
    assert {name: (folder / name).read_bytes() for name in WEIGHTS} == WEIGHTS
    assert files_of(world) == {"engine.json", "onnx/model.onnx", *(f"onnx/{name}" for name in WEIGHTS)}


@pytest.mark.parametrize("bad", ["net.onnx", *WEIGHTS])
def test_one_wrong_file_leaves_none_of_them(world, bad):
    offer_bundle(world)
    path = f"/models/{bad}?{SIGNATURE}"
    world.objects[path] = b"\x7f" + world.objects[path][1:]

    assert fall_back(world) == 41
    assert files_of(world) == set()
    assert "the resource says" in world.message


def test_a_file_under_another_name_is_another_bundle(world):
    answer = offer_bundle(world)
    path = f"/models/weights/z.bin?{SIGNATURE}"
    world.objects[path] = WEIGHTS["weights/a.bin"]
    answer["files"][1] |= {"name": "weights/z.bin", "url": f"{world.url}{path}"}

    assert fall_back(world) == 41
    assert files_of(world) == set()


def test_a_model_that_is_there_is_not_fetched_again(world):
    offer_bundle(world)
    fall_back(world)
    world.ranges.clear()

    assert fall_back(world) == 0
    assert world.ranges == []


def test_a_model_that_was_changed_in_the_pod_is_replaced(world):
    offer_bundle(world)
    fall_back(world)
    changed = world.paths.model / "weights" / "a.bin"
    changed.chmod(0o644)
    changed.write_bytes(b"z" * 40 * KIB)

    assert fall_back(world) == 0
    assert changed.read_bytes() == WEIGHTS["weights/a.bin"]


def test_an_engine_takes_the_place_of_the_model_and_the_model_of_an_engine(world):
    offer_bundle(world)
    fall_back(world)
    world.resolves = []

    assert fall_back(world) == 0
    assert files_of(world) == {"engine.json", "model.engine"}

    offer(world, {"model.onnx": MODEL})

    assert fall_back(world) == 0
    assert files_of(world) == {"engine.json", "onnx/model.onnx"}


def test_a_bundle_whose_download_was_cut_goes_on_where_it_was(world):
    offer_bundle(world)
    world.store = [None] * 9 + [404] * 99

    assert fall_back(world) == 44
    assert not world.paths.model.exists()
    world.store = []
    world.ranges.clear()

    assert fall_back(world) == 0
    assert len(world.ranges) < PARTS


@pytest.mark.parametrize("lost", ["model.onnx", "weights/a.bin"])
def test_the_journals_of_a_model_are_never_believed_about_the_bytes(world, lost):
    offer_bundle(world)
    world.store = [None] * 11 + [404] * 99
    assert fall_back(world) == 44
    torn = world.paths.staging / "files" / lost
    torn.write_bytes(bytes(torn.stat().st_size))
    world.store = []

    assert fall_back(world) == 0
    assert (world.paths.model / lost).read_bytes() == {"model.onnx": MODEL, **WEIGHTS}[lost]


def test_after_one_clean_run_the_bytes_of_the_store_are_believed_to_be_wrong(world):
    offer_bundle(world)
    world.store = [None] * 9 + [404] * 99
    assert fall_back(world) == 44
    world.objects[f"/models/b.partial?{SIGNATURE}"] = b"d" * 20 * KIB
    world.store = []
    world.ranges.clear()

    assert fall_back(world) == 41
    assert PARTS < len(world.ranges) < 2 * PARTS
    assert files_of(world) == set()


def test_urls_whose_time_is_over_are_asked_for_again_and_what_arrived_stays(world):
    offer_bundle(world)
    world.store = [None] * 8 + [403]

    assert fall_back(world) == 0
    assert len(world.asked) == 2
    assert len(world.ranges) <= PARTS + 4


def test_too_little_space_is_refused_before_the_first_byte(world, monkeypatch):
    offer_bundle(world)
    real = os.statvfs(world.folder)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*real[:4], 1, *real[5:]]))

    assert fall_back(world) == 46
    assert world.ranges == []
    total = len(MODEL) + sum(map(len, WEIGHTS.values()))
    assert f"{total} more bytes" in world.message


@pytest.mark.parametrize(
    "files",
    [
        [],
        [("model.onnx", 0)],
        [("../model.onnx", 3)],
        [("/model.onnx", 3)],
        [("sub/model.onnx", 3)],
        [("weights.bin", 3)],
        [("weights.bin", 3), ("model.onnx", 3)],
        [("model.onnx", 3), ("other.onnx", 3)],
        [("model.onnx", 3), ("../../etc/x", 3)],
        [("model.onnx", 3), ("w", 3), ("w", 3)],
        [("model.onnx", 3), *((f"w{number}", 3) for number in range(257))],
    ],
)
def test_files_that_do_not_make_one_model_are_refused_before_one_is_asked_for(world, files):
    answer = offer_bundle(world)
    answer["files"] = [{"name": name, "url": f"{world.url}/x", "size": size} for name, size in files]

    assert fall_back(world) == 43
    assert "the gateway's answer cannot be used: " in world.message
    assert world.ranges == []


@pytest.mark.parametrize(
    "changed", [{"sha256": "XY"}, {"is_bundle": False}, {"files": None}, {"why": None}], ids=str
)
def test_an_answer_that_cannot_be_believed_is_refused(world, changed):
    offer_bundle(world).update(changed)

    assert fall_back(world) == 43
    assert next(iter(changed)) in world.message or "is no bundle" in world.message
    assert world.ranges == []


@pytest.mark.parametrize("reason", ["NoEngineForGPU", "EngineNotReady"])
def test_a_pod_that_can_have_neither_waits_until_it_can(world, reason):
    offer(world, {"model.onnx": MODEL})
    world.resolves[:0] = [(422, {"reason": reason, "message": "the ONNX model cannot be delivered"})] * 2

    assert fall_back(world) == 0
    assert len(world.asked) == 3


def test_a_pod_with_the_model_says_for_which_gpu_it_has_no_engine_and_why(world):
    offer(world, {"model.onnx": MODEL})["gpu"] = {"arch": "sm_89", "product": "NVIDIA-L4"}

    assert fall_back(world) == 0
    assert json.loads(world.message) == {
        "arch": "sm_89", "product": "NVIDIA-L4", "engines": [""], "fallback": TOLD, "platform": None
    }  # fmt: skip


def test_every_model_of_a_pod_is_told_of(world):
    offer(world, {"model.onnx": MODEL})

    assert fall_back(world, IGNITION_ENGINES="a=resnet, b=yolo") == 0
    assert world.message == f"{TOLD} {TOLD}"


def test_a_file_that_another_writer_put_in_place_of_one_of_the_verified_is_not_published(world, monkeypatch):
    offer_bundle(world)
    first = world.paths.staging / "files" / "model.onnx"
    monkeypatch.setattr(model, "transfer", replaced_after_transfer(first, b"\0" * len(MODEL)))

    assert fall_back(world) == 47
    assert not world.paths.model.exists()
    assert "has another writer" in world.message


def test_a_mount_that_cannot_be_written_is_named(world):
    offer(world, {"model.onnx": MODEL})
    (world.folder / "engines").write_text("a file where a folder should be")

    assert fall_back(world) == 47
    assert "cannot be written" in world.message
