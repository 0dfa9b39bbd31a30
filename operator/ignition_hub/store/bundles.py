"""
A model with external data: one .onnx file and everything that lies with it under one prefix of a bucket.

Controller and gateway read a bundle here, so that both speak of the same bytes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.fingerprint import MOST_DATA_FILES, bundle_fingerprint
from ignition_hub.engine.naming import is_plain_path
from ignition_hub.engine.sources import S3Location, parse_s3_uri
from ignition_hub.store.objects import Listed, ObjectStore


@dataclass(frozen=True, slots=True)
class BundleFile:
    """One file: its path relative to the bundle, its ETag and its size in bytes."""

    name: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """The files under ``where``: the model, and the others by name."""

    where: S3Location
    model: BundleFile
    others: tuple[BundleFile, ...]

    @property
    def files(self) -> Mapping[str, tuple[str, int]]:
        """Every file by name: its ETag and size."""
        return {file.name: (file.etag, file.size) for file in (self.model, *self.others)}

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in (self.model, *self.others))

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the model's source."""
        return bundle_fingerprint(self.where.uri, self.files)

    def location(self, file: BundleFile) -> S3Location:
        """Return where a file is."""
        return S3Location(self.where.bucket, self.where.key + file.name)

    def data(self) -> Iterator[tuple[str, BundleFile]]:
        """Yield what an ONNX model can refer to: the files of its folder, by their path relative to it."""
        folder = self.model.name.rpartition("/")[0]
        beside = f"{folder}/" if folder else ""
        for file in self.others:
            if file.name.startswith(beside):
                yield file.name.removeprefix(beside), file


def read_bundle(objects: ObjectStore, uri: str) -> Bundle | None:
    """
    Return the bundle at an ``s3://`` address that ends in /; None when nothing is there.

    Raise RequestError (InvalidModel), or SourceNotFound while the model itself is missing.
    """
    where = parse_s3_uri(uri)
    listed = objects.listed(where.key, most=MOST_DATA_FILES + 2, bucket=where.bucket)
    files = [_file(where, found) for found in listed if not found.key.endswith("/")]
    if not files:
        return None
    if len(listed) > MOST_DATA_FILES + 1:
        raise _invalid(
            uri, f"has more than {MOST_DATA_FILES} files of external data", "merge them into fewer"
        )
    _require_a_tree(uri, files)
    model = _model(uri, files)
    return Bundle(where, model, tuple(file for file in files if file is not model))


def _file(where: S3Location, found: Listed) -> BundleFile:
    name = found.key.removeprefix(where.key)
    if not is_plain_path(name):
        raise _invalid(where.uri, f"has a file {name!r:.80}, which is not a plain path", "rename it")
    return BundleFile(name, found.etag, found.size)


def _require_a_tree(uri: str, files: Sequence[BundleFile]) -> None:
    names = {file.name for file in files}
    for file in files:
        folders = file.name.split("/")[:-1]
        for depth in range(1, len(folders) + 1):
            if (folder := "/".join(folders[:depth])) in names:
                raise _invalid(uri, f"has {folder!r} both as a file and as a folder", "rename one of them")


def _model(uri: str, files: Sequence[BundleFile]) -> BundleFile:
    models = [file for file in files if file.name.lower().endswith(".onnx")]
    if not models:
        found = _some(file.name for file in files)
        raise IgnitionError(
            Reason.SourceNotFound,
            f"the bundle {uri} has no .onnx file, only {found}",
            "upload the model and the check is retried",
        )
    if len(models) > 1:
        found = _some(file.name for file in models)
        raise _invalid(uri, f"has {len(models)} .onnx files: {found}", "keep one model per bundle")
    return models[0]


def _some(names: Iterator[str], most: int = 5) -> str:
    every = sorted(names)
    more = f" and {len(every) - most} more" if len(every) > most else ""
    return ", ".join(every[:most]) + more


def _invalid(uri: str, what: str, remedy: str) -> RequestError:
    return RequestError(Reason.InvalidModel, f"the bundle {uri} {what}", remedy)
