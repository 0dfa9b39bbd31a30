"""
Bring everything a grant names into the work directory: the model, its external data, and the other files.

The model gets a folder of its own, with its data beside it under the names it uses. Pinned files are compared
with what the request pins before anything reads them.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ignition_builder.facts import FileDigests
from ignition_builder.files import DataFile, Files
from ignition_builder.hub.download import (
    Counter,
    DownloadSource,
    Item,
    Link,
    check_disk,
    check_size,
    download,
)
from ignition_hub.engine.errors import ContractError, Reason, RequestError
from ignition_hub.engine.naming import is_plain_path
from ignition_hub.engine.pinned import MOST_FILE_BYTES, PinnedFile, pinned_files
from ignition_hub.engine.request import CALIBRATION, DATA, INPUTS, PLUGIN, BuildGrant, GrantedFile

MODEL = "model/model.onnx"
FILES = "files"
SOURCE = "source.uri"


@dataclass(frozen=True, slots=True)
class Arrived:
    """Where the model is, what identifies its own file, and the files besides."""

    model: Path
    digests: FileDigests
    files: Files


def download_all(source: DownloadSource, folder: Path, count: Counter) -> Arrived:
    """
    Write what ``source`` grants below ``folder``; ``count`` hears the fraction of all bytes that is here.

    Raises what ``download`` raises, RequestError (ModelDigestMismatch) for a file that is not the pinned one,
    and ContractError for a grant that does not fit its request.
    """
    grant = source.grant
    data, pinned = [file for file in grant.files if file.role == DATA], tuple(_pinned(grant))
    model_size = grant.model_size + sum(file.size for file in data)
    check_size("the model", model_size, grant.max_model_bytes)
    total = model_size + sum(granted.size for _, granted in pinned)
    check_disk(folder, total)
    carrier = _Carrier(source, count, total)
    model = _place(folder, MODEL)
    item = Item("the model", SOURCE, grant.model_size, grant.max_model_bytes, _model_link)
    digests = carrier.bring(item, model)
    accounts = tuple(_bring_data(carrier, file, grant, model.parent) for file in data)
    return Arrived(model, digests, _bring_pinned(carrier, pinned, folder / FILES, accounts))


class _Carrier:
    """Brings one file after another, and tells how much of ``total`` bytes is here (0: unknown)."""

    def __init__(self, source: DownloadSource, count: Counter, total: int) -> None:
        self._source, self._count, self._total = source, count, total
        self._done = 0

    def bring(self, item: Item, path: Path) -> FileDigests:
        digests = download(item, self._source, path, partial(self._tell, item.size))
        self._done += digests.size
        return digests

    def _tell(self, size: int, part: float) -> None:
        self._count((self._done + part * size) / self._total if self._total else part)


def _pinned(grant: BuildGrant) -> Iterator[tuple[PinnedFile, GrantedFile]]:
    """Yield the files the request pins, each with what was granted for it."""
    granted = {(file.role, file.name): file for file in grant.files if file.role != DATA}
    for pin in pinned_files(grant.request.options, grant.request.verification):
        found = granted.pop((pin.role, pin.name), None)
        if found is None:
            raise ContractError(f"BuildGrant.files: {pin.field} is pinned but was not granted")
        yield pin, found
    for role, name in granted:
        raise ContractError(f"BuildGrant.files: the request has no {role} {name!r}")


def _bring_data(carrier: _Carrier, file: GrantedFile, grant: BuildGrant, folder: Path) -> DataFile:
    item = Item(
        f"the model's external data {file.name}",
        SOURCE,
        file.size,
        grant.max_model_bytes,
        partial(_link_of, file.role, file.name),
    )
    digests = carrier.bring(item, _place(folder, file.name))
    return DataFile(file.name, digests.sha256, digests.size)


def _bring_pinned(
    carrier: _Carrier,
    pinned: Sequence[tuple[PinnedFile, GrantedFile]],
    folder: Path,
    data: tuple[DataFile, ...],
) -> Files:
    paths: dict[str, dict[str, Path]] = defaultdict(dict)
    for index, (pin, file) in enumerate(pinned):
        # By number: two plugins may come from files of one name.
        path = _place(folder, f"{index}/{pin.uri.rsplit('/', 1)[-1]}")
        item = Item(pin.field, pin.field, file.size, MOST_FILE_BYTES, partial(_link_of, pin.role, pin.name))
        _require_pin(pin, carrier.bring(item, path))
        paths[pin.role][pin.name] = path
    return Files(
        data=data,
        calibration=next(iter(paths[CALIBRATION].values()), None),
        inputs=next(iter(paths[INPUTS].values()), None),
        plugins=paths[PLUGIN],
    )


def _require_pin(pin: PinnedFile, digests: FileDigests) -> None:
    if digests.sha256 != pin.sha256:
        raise RequestError(
            Reason.ModelDigestMismatch,
            f"{pin.field}: {pin.uri} has SHA-256 {digests.sha256}, but {pin.sha256} is pinned",
            "correct the pin, or restore the file that was pinned",
        )


def _model_link(grant: BuildGrant) -> Link:
    return Link(grant.model_url, grant.model_etag)


def _link_of(role: str, name: str, grant: BuildGrant) -> Link:
    for file in grant.files:
        if (file.role, file.name) == (role, name):
            return Link(file.url, file.etag)
    raise ContractError(f"BuildGrant.files: {role} {name!r} is no longer granted")


def _place(folder: Path, name: str) -> Path:
    """Return the path of a new file; ContractError for a name that leaves ``folder`` or is taken."""
    path = folder / name
    if not is_plain_path(name) or path.exists():
        raise ContractError(f"BuildGrant.files: {name!r} is not a new file", "use plain relative paths")
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
