"""What is pushed for a model: one file, or all that its external data is in."""

from pathlib import Path

import onnx
import pytest

from ignition_hub.cli.bundle import model_upload
from ignition_hub.cli.errors import CliError
from ignition_hub.engine.fingerprint import MOST_DATA_FILES
from smallmodels import dense, saved


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "vit"
    path.mkdir()
    return path


def with_data(folder: Path, location: str = "weights.bin") -> Path:
    path = folder / "vit.onnx"
    onnx.save(dense(), str(path), save_as_external_data=True, location=location, size_threshold=0)
    return path


def names(path: Path) -> list[str]:
    return [file.name for file in model_upload(path).files]


def test_a_model_with_its_weights_inside_is_one_file_with_a_digest(folder: Path) -> None:
    pushed = model_upload(saved(dense(), folder))

    [file] = pushed.files
    assert file.bundle is None
    assert pushed.sha256 == file.sha256
    assert pushed.size == file.size


def test_a_model_brings_the_data_it_names_and_comes_last(folder: Path) -> None:
    path = with_data(folder)
    (folder / "notes.txt").write_text("not part of the model")
    pushed = model_upload(path)

    assert [file.name for file in pushed.files] == ["weights.bin", "vit.onnx"]
    assert pushed.sha256 is None
    assert pushed.size == sum(file.path.stat().st_size for file in pushed.files)


def test_a_folder_is_pushed_whole_without_hidden_files(folder: Path) -> None:
    with_data(folder)
    (folder / "layers").mkdir()
    (folder / "layers" / "0.bin").write_bytes(b"layer")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("x")

    assert names(folder) == ["layers/0.bin", "weights.bin", "vit.onnx"]


def test_every_file_of_a_bundle_says_how_large_the_bundle_is(folder: Path) -> None:
    pushed = model_upload(with_data(folder))

    assert {file.bundle_size for file in pushed.files} == {pushed.size}


def test_the_digest_of_a_bundle_is_that_of_every_name_and_byte(folder: Path) -> None:
    with_data(folder)
    before = model_upload(folder).files[0].bundle
    assert model_upload(folder).files[0].bundle == before
    (folder / "weights.bin").write_bytes(b"other weights")
    changed = model_upload(folder).files[0].bundle
    (folder / "weights.bin").rename(folder / "renamed.bin")

    assert len({before, changed, model_upload(folder).files[0].bundle}) == 3


@pytest.mark.parametrize("pushed", ["vit.onnx", "."])
def test_a_link_to_a_file_elsewhere_is_not_pushed(folder: Path, pushed: str) -> None:
    with_data(folder)
    secret = folder.parent / "id_ed25519"
    secret.write_bytes((folder / "weights.bin").read_bytes())
    (folder / "weights.bin").unlink()
    (folder / "weights.bin").symlink_to(secret)

    with pytest.raises(CliError, match=r"weights\.bin is a link to a file outside the model's folder"):
        model_upload(folder / pushed)


def test_a_link_within_the_folder_is_pushed_as_the_file(folder: Path) -> None:
    with_data(folder)
    (folder / "weights.bin").rename(folder / "blob")
    (folder / "weights.bin").symlink_to("blob")

    assert names(folder / "vit.onnx") == ["weights.bin", "vit.onnx"]


def test_data_that_is_not_beside_its_model_is_named(folder: Path) -> None:
    path = with_data(folder)
    (folder / "weights.bin").unlink()

    with pytest.raises(CliError, match=r"vit\.onnx: its external data weights\.bin is not beside it"):
        model_upload(path)


@pytest.mark.parametrize(("models", "found"), [((), "none"), (("a.onnx", "b.ONNX"), "a.onnx, b.ONNX")])
def test_a_folder_has_exactly_one_model(folder: Path, models: tuple[str, ...], found: str) -> None:
    for name in (*models, "weights.bin"):
        (folder / name).write_bytes(b"x")

    with pytest.raises(CliError, match=f"exactly one .onnx file, found: {found}"):
        model_upload(folder)


def test_a_folder_with_too_many_files_is_refused(folder: Path) -> None:
    (folder / "a.onnx").write_bytes(b"x")
    for number in range(MOST_DATA_FILES + 1):
        (folder / f"{number}.bin").write_bytes(b"x")

    with pytest.raises(CliError, match="257 files of external data; at most 256 are taken"):
        model_upload(folder)


def test_an_empty_file_of_a_bundle_is_named(folder: Path) -> None:
    with_data(folder)
    (folder / "empty.bin").touch()

    with pytest.raises(CliError, match=r"empty\.bin: the file is empty"):
        model_upload(folder)
