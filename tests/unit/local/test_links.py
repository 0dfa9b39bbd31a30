"""Models where people keep them: caches of links, folders of hard links, and links that lead elsewhere."""

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

from ignition_hub import build_or_load_engine
from ignition_hub.cli.bundle import model_upload
from ignition_hub.cli.errors import CliError
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.local.digests import DigestCache
from ignition_hub.local.errors import CacheUnusable
from ignition_hub.local.fingerprint import model_file
from ignition_hub.local.links import data_file
from ignition_hub.local.model_folder import gathered
from local_harness import ARCH
from smallmodels import dense, saved

MODEL, DATA = "model.onnx", "model.onnx_data"


def plain(folder: Path) -> Path:
    """Save a model of one matrix with its weights beside it."""
    folder.mkdir(parents=True)
    onnx.save(dense(), str(folder / MODEL), save_as_external_data=True, location=DATA, size_threshold=0)
    return folder / MODEL


def linked(folder: Path, places: dict[str, Path]) -> Path:
    """Move a model's files to ``places`` and leave links to them in ``folder``, as relative as caches do."""
    plain(folder)
    for name, place in places.items():
        place.parent.mkdir(parents=True, exist_ok=True)
        (folder / name).rename(place)
        (folder / name).symlink_to(os.path.relpath(place, folder))
    return folder / MODEL


def hugging_face(root: Path) -> Path:
    """huggingface_hub: every file of a snapshot is a link to a blob."""
    blobs = root / "models--me--vit" / "blobs"
    snapshot = blobs.parent / "snapshots" / "9d21" / "onnx"
    return linked(snapshot, {MODEL: blobs / "0abc", DATA: blobs / "1abc"})


def dvc(root: Path) -> Path:
    """DVC with ``cache.type symlink``: files by their digest, two digits a folder."""
    (root / ".dvc").mkdir(parents=True)
    cache = root / ".dvc" / "cache" / "files" / "md5"
    return linked(root / "models" / "vit", {MODEL: cache / "0a" / "bc", DATA: cache / "1a" / "bc"})


def git_annex(root: Path) -> Path:
    """git-annex: read-only files in read-only folders of their own; the model itself is in git."""
    objects = root / ".git" / "annex" / "objects"
    key = "SHA256E-s16384--1abc"
    path = linked(root / "vit", {DATA: objects / "Wx" / "1Z" / key / key})
    (path.parent / DATA).resolve().chmod(0o444)
    (path.parent / DATA).resolve().parent.chmod(0o555)
    return path


def hard_links(root: Path) -> Path:
    """``cp -al``, and DVC with ``cache.type hardlink``."""
    source = plain(root / "first")
    shutil.copytree(source.parent, root / "second", copy_function=os.link)
    return root / "second" / MODEL


def link_to_a_plain_model(root: Path) -> Path:
    """A link anywhere to a model whose data lies beside the real one."""
    real = plain(root / "models")
    (root / "desk").mkdir()
    (root / "desk" / "vit.onnx").symlink_to(real)
    return root / "desk" / "vit.onnx"


def link_to_a_model_with_its_weights_inside(root: Path) -> Path:
    """A snapshot of one file, whose weights are large enough to be left in it."""
    root.mkdir()
    (root / "link.onnx").symlink_to(saved(dense(width=128), root, "real"))
    return root / "link.onnx"


def mixed_stores(root: Path) -> Path:
    """A model that was named by a link, with data that is a link to where the real model lies."""
    blobs = root / "blobs"
    return linked(root / "desk", {MODEL: blobs / "0abc", DATA: blobs / "1abc"})


KEPT = [
    hugging_face,
    dvc,
    git_annex,
    hard_links,
    link_to_a_plain_model,
    link_to_a_model_with_its_weights_inside,
    mixed_stores,
]


@pytest.mark.parametrize("keep", KEPT)
def test_a_model_is_built_and_compared_where_people_keep_it(keep: Callable[[Path], Path], tmp_path: Path):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    model = keep(tmp_path / "kept")
    before = sorted(path for path in (tmp_path / "kept").rglob("*"))
    engine, source = build_or_load_engine(
        model,
        precision="fp16",
        arch=ARCH,
        cache_dir=tmp_path / "cache",
        # onnxruntime reads the model as it came, and has rules of its own for links.
        verification={"accuracy": {}},
    )

    assert source == "built"
    assert engine.manifest.build.checked == "model"
    assert sorted(path for path in (tmp_path / "kept").rglob("*")) == before
    assert not list((tmp_path / "cache" / "tmp").iterdir())


@pytest.mark.parametrize("keep", [hugging_face, dvc, git_annex, hard_links])
def test_a_model_has_one_identity_wherever_it_is_kept(keep: Callable[[Path], Path], tmp_path: Path):
    digests = DigestCache(tmp_path / "digests")
    expected = model_file(plain(tmp_path / "plain"), digests).fingerprint

    assert model_file(keep(tmp_path / "kept"), digests).fingerprint == expected


@pytest.mark.parametrize("keep", [hugging_face, dvc, git_annex, hard_links])
def test_a_kept_model_is_pushed_with_the_files_behind_its_links(keep: Callable[[Path], Path], tmp_path: Path):
    model = keep(tmp_path / "kept")
    expected = model_upload(plain(tmp_path / "plain"))
    pushed = model_upload(model)

    assert [file.name for file in pushed.files] == [DATA, MODEL]
    assert [file.sha256 for file in pushed.files] == [file.sha256 for file in expected.files]
    assert model_upload(model.parent).files[0].bundle == pushed.files[0].bundle


def stray(root: Path, **places: str) -> Path:
    """A model whose data is a link to a secret; ``places`` are links that try to make it the model's own."""
    model = plain(root / "vit" / "snapshots" / "x")
    secret = root / "home" / ".ssh" / "id_ed25519"
    secret.parent.mkdir(parents=True)
    (model.parent / DATA).rename(secret)
    (model.parent / DATA).symlink_to(secret)
    for name, target in places.items():
        (root / "vit" / name).symlink_to(root / target)
    return model


def chained(root: Path) -> Path:
    model = stray(root)
    (root / "vit" / "blobs").mkdir()
    (root / "vit" / "blobs" / "1abc").symlink_to((model.parent / DATA).readlink())
    (model.parent / DATA).unlink()
    (model.parent / DATA).symlink_to("../../blobs/1abc")
    return model


def through_a_folder(root: Path) -> Path:
    folder = root / "vit"
    folder.mkdir(parents=True)
    onnx.save(dense(), str(folder / MODEL), save_as_external_data=True, location=DATA, size_threshold=0)
    model = onnx.load(str(folder / MODEL), load_external_data=False)
    for tensor in model.graph.initializer:
        next(entry for entry in tensor.external_data if entry.key == "location").value = f"weights/{DATA}"
    (root / "secrets").mkdir()
    (folder / DATA).rename(root / "secrets" / DATA)
    (folder / "weights").symlink_to(root / "secrets")
    return saved(model, folder)


STRAYS: dict[str, Callable[[Path], Path]] = {
    "a link out of the folder": stray,
    "a store that is itself a link": lambda root: stray(root, blobs="home/.ssh"),
    "a link to a link out": chained,
    "a folder that is a link": through_a_folder,
}


@pytest.mark.parametrize("make", STRAYS.values(), ids=STRAYS)
def test_a_link_that_leads_elsewhere_is_refused_before_it_is_read_and_the_remedy_works(make, tmp_path):
    model = make(tmp_path)
    with pytest.raises(
        RequestError, match=r"model\.onnx_data is a link to a file outside the model's folder, /"
    ) as caught:
        model_file(model, DigestCache(tmp_path / "digests"))
    with pytest.raises(CliError, match="is a link to a file outside the model's folder"):
        model_upload(model)

    assert caught.value.reason is Reason.InvalidModel
    assert "copy the folder with cp -rL" in caught.value.remedy
    copy = Path(shutil.copytree(model.parent, tmp_path / "copy")) / MODEL  # follows links, as cp -rL does
    (part,) = model_file(copy, DigestCache(tmp_path / "digests")).data
    assert part.path.is_relative_to(tmp_path / "copy")
    assert len(model_upload(copy).files) == 2


@pytest.mark.parametrize("name", ["../weights.bin", "a/../../weights.bin", "", "/etc/hostname"])
def test_a_name_that_leads_out_of_the_folder_is_refused_whatever_lies_there(name, tmp_path):
    (tmp_path / "vit" / "a").mkdir(parents=True)
    (tmp_path / "weights.bin").touch()

    with pytest.raises(RequestError, match="it is not a file beside the model"):
        data_file(tmp_path / "vit" / MODEL, name)


def test_a_link_that_leads_nowhere_names_the_data(tmp_path):
    model = hugging_face(tmp_path)
    (model.parent / DATA).resolve().unlink()

    with pytest.raises(RequestError, match=f"its external data '{DATA}' cannot be read"):
        model_file(model, DigestCache(tmp_path / "digests"))
    with pytest.raises(CliError, match=f"its external data {DATA} is not beside it"):
        model_upload(model)


def test_plain_files_and_hard_links_stay_where_they_are(tmp_path):
    for keep in (plain, hard_links, link_to_a_plain_model):
        model = model_file(keep(tmp_path / keep.__name__), DigestCache(tmp_path / "digests"))

        assert gathered(model, tmp_path / "work") == model.path.resolve()
    assert not (tmp_path / "work").exists()


def no_way(*_: Any) -> None:
    raise OSError(errno.EXDEV, "Invalid cross-device link")


@pytest.mark.parametrize(("may_link", "names"), [(True, 2), (False, 1)])
def test_files_behind_links_are_gathered_by_a_second_name_or_by_a_copy(
    may_link, names, tmp_path, monkeypatch
):
    monkeypatch.setattr(fcntl, "ioctl", no_way)
    if not may_link:
        monkeypatch.setattr(os, "link", no_way)
    model = model_file(hugging_face(tmp_path), DigestCache(tmp_path / "digests"))
    place = gathered(model, tmp_path / "work")

    assert place == tmp_path / "work" / "model" / MODEL
    for path in (place, place.with_name(DATA)):
        assert not path.is_symlink()
        assert path.stat().st_nlink == names
        assert path.read_bytes() == (model.path.parent / path.name).read_bytes()


def test_a_folder_that_takes_no_files_is_the_caches_trouble(tmp_path):
    model = model_file(hugging_face(tmp_path), DigestCache(tmp_path / "digests"))
    (tmp_path / "work").touch()

    with pytest.raises(CacheUnusable, match="cannot be written"):
        gathered(model, tmp_path / "work")


def test_data_that_changes_behind_its_link_while_it_is_built_leaves_no_engine(tmp_path, monkeypatch):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    from ignition_builder import pipeline

    model, real = hugging_face(tmp_path / "kept"), pipeline.build

    def build(*given: Any, **named: Any) -> Any:
        built = real(*given, **named)
        blob = (model.parent / DATA).resolve()
        blob.write_bytes(blob.read_bytes()[:-1] + b"!")
        return built

    monkeypatch.setattr(fcntl, "ioctl", no_way)  # a clone would keep the bytes that were hashed
    monkeypatch.setattr(pipeline, "build", build)
    with pytest.raises(IgnitionError, match=f"{model.parent / DATA} changed during the build") as caught:
        build_or_load_engine(model, precision="fp32", arch=ARCH, cache_dir=tmp_path / "cache")
    assert caught.value.reason is Reason.ModelDigestMismatch


@pytest.mark.parametrize("name", [".keys", ".aws/keys", "data/.keys"])
def test_a_hidden_file_beside_the_model_is_not_its_data(name, tmp_path):
    model = saved(dense(), tmp_path)
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"secret")
    (tmp_path / "weights").symlink_to(name)

    for named in (name, "weights"):
        with pytest.raises(RequestError):
            data_file(model, named)
