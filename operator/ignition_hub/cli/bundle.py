"""
The files that ``ignition push`` sends: one ONNX file, or with its external data a bundle.

A bundle is pushed under one digest of the names and digests of all its files, the ONNX file last: until then
it is no model that anything could be built from.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from ignition_hub.cli.errors import CliError
from ignition_hub.cli.upload import UploadFile
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.fingerprint import MOST_DATA_FILES, bundle_digest
from ignition_hub.engine.naming import is_plain_path
from ignition_hub.local.external_data import external_files
from ignition_hub.local.links import data_file


@dataclass(frozen=True, slots=True)
class ModelUpload:
    """What is pushed for one model, in the order it is sent."""

    name: str
    files: tuple[UploadFile, ...]

    @property
    def size(self) -> int:
        """Bytes in all."""
        return sum(file.size for file in self.files)

    @property
    def sha256(self) -> str | None:
        """The digest that pins the model; None for a bundle, which the hub watches by its listing."""
        [*data, model] = self.files
        return None if data or model.bundle else model.sha256


def model_upload(path: Path) -> ModelUpload:
    """Return what to push for an ONNX file or a folder with one; CliError names what is wrong."""
    if path.is_dir():
        return _bundle(path.name, _files_in(path))
    names = external_files(path) if path.is_file() else ()
    if not names:
        return ModelUpload(path.name, (UploadFile.of(path),))
    for name in names:
        if not is_plain_path(name):
            raise CliError(f"{path}: its external data {name} is not listed with it")
    return _bundle(path.name, {path.name: path, **{name: _data_file(path, name) for name in names}})


def _files_in(folder: Path) -> dict[str, Path]:
    files = {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }
    models = [name for name in files if name.lower().endswith(".onnx")]
    if len(models) != 1:
        found = ", ".join(models[:5]) or "none"
        raise CliError(f"{folder}: a bundle has exactly one .onnx file, found: {found}")
    for name in files:
        if not is_plain_path(name):
            raise CliError(f"{folder}: {name!r} is not a plain path; rename the file")
    return {name: _data_file(folder / models[0], name) for name in files}


def _data_file(model: Path, name: str) -> Path:
    """Return the real file: a stranger's model must not send files of this machine through a link."""
    try:
        return data_file(model, name)
    except RequestError as error:
        raise CliError(str(error)) from error
    except OSError as error:
        raise CliError(f"{model}: its external data {name} is not beside it") from error


def _bundle(name: str, files: Mapping[str, Path]) -> ModelUpload:
    if len(files) > MOST_DATA_FILES + 1:
        raise CliError(
            f"{name}: {len(files) - 1} files of external data; at most {MOST_DATA_FILES} are taken"
        )
    uploads = {inside: UploadFile.of(path) for inside, path in files.items()}
    digest = bundle_digest({inside: (file.sha256, file.size) for inside, file in uploads.items()})
    # The model last: False sorts first.
    ordered = sorted(uploads, key=lambda inside: (inside.lower().endswith(".onnx"), inside))
    size = sum(file.size for file in uploads.values())
    return ModelUpload(
        name,
        tuple(replace(uploads[inside], name=inside, bundle=digest, bundle_size=size) for inside in ordered),
    )
