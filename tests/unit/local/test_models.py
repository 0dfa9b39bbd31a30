"""Models on disk: what identifies them, their external data, and digests that are remembered."""

import hashlib
import os
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from ignition_hub.engine.errors import RequestError
from ignition_hub.local.digests import DigestCache
from ignition_hub.local.external_data import external_files
from ignition_hub.local.fingerprint import model_file
from smallmodels import dense, model_of, saved


def aged(path: Path) -> None:
    """Let a file have been written a minute ago, as far as its modification time tells."""
    then = time.time() - 60
    os.utime(path, (then, then))


@pytest.fixture
def digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DigestCache:
    # A change time cannot be set back, so the moment in which a file counts as unsettled is left out.
    monkeypatch.setattr("ignition_hub.local.digests.SETTLED_SECONDS", 0.0)
    return DigestCache(tmp_path / "digests")


def hashed(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return the list to which every file that is really hashed is added."""
    from ignition_hub.local import digests

    seen: list[Path] = []
    real = digests.sha256_of

    def sha256_of(path: Path) -> str:
        seen.append(path)
        return real(path)

    monkeypatch.setattr(digests, "sha256_of", sha256_of)
    return seen


def external(folder: Path, *, inner: bool = False) -> Path:
    """Save a model whose weights lie in weights.bin; with ``inner``, those of a constant node do."""
    weight = numpy_helper.from_array(np.ones((64, 64), np.float32), "w")
    onnx.external_data_helper.set_external_data(weight, "weights.bin", offset=0, length=64 * 64 * 4)
    weight.ClearField("raw_data")
    (folder / "weights.bin").write_bytes(np.ones((64, 64), np.float32).tobytes())
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    if inner:
        nodes.insert(0, helper.make_node("Constant", [], ["w"], value=weight))
    weights = [] if inner else [weight]
    return saved(model_of(nodes, {"x": [2, 64]}, {"y": [2, 64]}, weights=weights), folder)


def test_a_model_in_one_file_is_what_a_cluster_calls_it_when_it_is_pinned(tmp_path, digests):
    path = saved(dense(), tmp_path)
    model = model_file(path, digests)

    assert model.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert model.fingerprint == f"sha256:{model.sha256}"
    assert model.size == path.stat().st_size


@pytest.mark.parametrize("inner", [False, True])
def test_external_data_is_found_wherever_a_tensor_may_stand(inner, tmp_path):
    assert external_files(external(tmp_path, inner=inner)) == ("weights.bin",)


def test_a_model_without_external_data_has_none_even_if_it_speaks_of_locations(tmp_path):
    model = dense()
    model.doc_string = "location of the cup"

    assert external_files(saved(model, tmp_path)) == ()


def test_a_changed_weight_file_is_another_model(tmp_path, digests):
    path = external(tmp_path)
    before = model_file(path, digests)
    (tmp_path / "weights.bin").write_bytes(np.zeros((64, 64), np.float32).tobytes())
    after = model_file(path, digests)

    assert before.sha256 == after.sha256
    assert before.fingerprint != after.fingerprint
    assert before.fingerprint.startswith("object:")
    assert before.size == path.stat().st_size + 64 * 64 * 4


def test_a_renamed_model_is_the_same_model(tmp_path, digests):
    path = external(tmp_path)
    before = model_file(path, digests).fingerprint

    assert model_file(path.rename(tmp_path / "other.onnx"), digests).fingerprint == before


def test_missing_external_data_is_named(tmp_path, digests):
    path = external(tmp_path)
    (tmp_path / "weights.bin").unlink()

    with pytest.raises(RequestError, match=r"its external data 'weights\.bin' cannot be read"):
        model_file(path, digests)


@pytest.mark.parametrize("name", ["/dev/zero", "pipe", "nul\0name", "../" * 40 + "dev/zero"])
def test_external_data_that_has_no_end_or_is_no_file_is_refused_before_it_is_read(name, tmp_path, digests):
    os.mkfifo(tmp_path / "pipe")
    weight = numpy_helper.from_array(np.ones((4, 4), np.float32), "w")
    onnx.external_data_helper.set_external_data(weight, name)
    weight.ClearField("raw_data")
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    path = saved(model_of([node], {"x": [2, 4]}, {"y": [2, 4]}, weights=[weight]), tmp_path)

    with pytest.raises(RequestError, match=r"its external data .* cannot be read"):
        model_file(path, digests)


def test_a_model_that_is_no_regular_file_is_refused_before_it_is_read(tmp_path, digests):
    os.mkfifo(tmp_path / "model.onnx")

    with pytest.raises(RequestError, match="not a regular file"):
        model_file(tmp_path / "model.onnx", digests)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "it is empty"),
        (b"location" * 9, "protobuf|does not end"),
        (b"\x3a\xff\x01location", "does not end"),
        (b"<html><script>location.reload()</script>", "it is a web page.*get the file itself"),
    ],
)
def test_what_is_no_model_is_refused_by_name(content, why, tmp_path, digests):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    with pytest.raises(RequestError, match=why) as caught:
        model_file(path, digests)
    assert str(path) in caught.value.message


def test_a_file_is_hashed_once_while_it_stays_the_same(tmp_path, digests, monkeypatch):
    path, seen = saved(dense(), tmp_path), hashed(monkeypatch)
    first = [model_file(path, digests) for _ in range(3)]

    assert seen == [path]
    assert len(set(first)) == 1


def test_a_change_that_keeps_size_and_modification_time_is_seen(tmp_path, digests):
    path = tmp_path / "file"
    path.write_bytes(b"one")
    aged(path)
    stat = path.stat()
    first = digests.sha256(path)
    path.write_bytes(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert path.stat().st_mtime_ns == stat.st_mtime_ns
    assert digests.sha256(path) == hashlib.sha256(b"two").hexdigest() != first


def test_a_file_that_was_just_written_is_not_remembered(tmp_path, monkeypatch):
    path, seen, digests = saved(dense(), tmp_path), hashed(monkeypatch), DigestCache(tmp_path / "digests")
    for _ in range(2):
        digests.sha256(path)

    assert seen == [path, path]


def test_without_a_place_to_remember_digests_are_still_right(tmp_path):
    path = saved(dense(), tmp_path)
    (tmp_path / "file").write_text("")

    digest = DigestCache(tmp_path / "file" / "digests").sha256(path)
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest()


def test_what_is_remembered_goes_with_its_file(tmp_path, digests):
    path, kept = saved(dense(), tmp_path), saved(dense(), tmp_path, "kept.onnx")
    for model in (path, kept):
        digests.sha256(model)
    path.unlink()
    digests.forget_the_gone()

    assert len(list(digests.folder.iterdir())) == 1
