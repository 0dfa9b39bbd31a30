"""
Bring the ONNX model of a pod for whose GPU there is no engine: all of its files are there, or none.

They are downloaded into a hidden folder. Only after the digest of the resource was found in what is on disk
does one rename make the folder visible. ``place`` does the same for an engine, which is one file.
"""

import contextlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.fingerprint import bundle_digest
from ignition_hub.engine.names import MODEL_FILE
from ignition_hub.fetch.budget import FetchBudget
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import ResolvedModel
from ignition_hub.fetch.journal import DownloadJournal
from ignition_hub.fetch.place import (
    READ_ONLY,
    EnginePaths,
    digest_of,
    disk_errors_named,
    has_size,
    make_folder,
    missing_of,
    open_partial,
    part_size_of,
    require_same,
    start_over,
    sync_folder,
    write_record,
)
from ignition_hub.fetch.range_requests import RangeSource
from ignition_hub.fetch.transfer import ByteCallback, Transfer, transfer


@dataclass(frozen=True, slots=True)
class ModelFilePaths(EnginePaths):
    """The paths of one file of a model on its way: ``name`` is where it lies in the model's folder."""

    number: int
    name: str

    @property
    def partial(self) -> Path:
        """The file on its way."""
        return self.staging / "files" / self.name

    @property
    def journal(self) -> Path:
        """Which of its parts are there; numbered, so that it has no other file's name."""
        return self.staging / f"{self.number}.json"


def place_model(found: ResolvedModel, paths: EnginePaths, budget: FetchBudget, watch: ByteCallback) -> bool:
    """
    Make ``paths.model`` hold the model that ``found`` describes, and no engine; False when it already did.

    Raises LinkExpired when the URLs have to be asked for again (what arrived stays), or FetchError.
    """
    with disk_errors_named(paths.folder):
        make_folder(paths.folder)
        fetched = not is_the_model(paths.model, found)
        if fetched:
            download(found, paths, budget, watch)
        paths.engine.unlink(missing_ok=True)
        write_record(found, paths)
    return fetched


def missing_model_bytes(found: ResolvedModel, paths: EnginePaths) -> int:
    """Return how many more bytes a model will take, as far as sizes tell."""
    with disk_errors_named(paths.folder):
        if has_all_sizes(paths.model, found):
            return 0
        sizes = (file.size for file in found.answer.files)
        return sum(
            missing_of(file.partial, size) for file, size in zip(files_of(found, paths), sizes, strict=True)
        )


def remove_model(paths: EnginePaths) -> None:
    """Remove a model that an earlier run brought: now there is an engine."""
    with disk_errors_named(paths.folder):
        for folder in (paths.model, paths.staging):
            if folder.is_dir():
                shutil.rmtree(folder)


def is_the_model(folder: Path, found: ResolvedModel) -> bool:
    """Whether ``folder`` holds exactly the wanted bytes; the digest is computed, never remembered."""
    if not has_all_sizes(folder, found):
        return False
    digests = [digest_of(folder / name) for name, _ in _sizes(found)]
    return digest_of_all(digests, found) == found.answer.sha256


def has_all_sizes(folder: Path, found: ResolvedModel) -> bool:
    """Whether there are files of just the wanted names and sizes."""
    return all(has_size(folder / name, size) for name, size in _sizes(found))


def digest_of_all(digests: list[str], found: ResolvedModel) -> str:
    """Return what the resource names: the digest of the one file, or of the listing of a bundle."""
    if not found.answer.is_bundle:
        return digests[0]
    files = zip(found.answer.files, digests, strict=True)
    return bundle_digest({file.name: (digest, file.size) for file, digest in files})


def download(found: ResolvedModel, paths: EnginePaths, budget: FetchBudget, watch: ByteCallback) -> None:
    """Fetch, verify and publish all files; parts from an earlier run are used, but never believed."""
    resumed = any(journal_of(found, file).finished for file in files_of(found, paths))
    digest = fetched_digest(found, paths, budget, watch)
    if digest != found.answer.sha256 and resumed:
        # As for an engine: a journal may have outlived the pages that it lists. One clean run decides.
        shutil.rmtree(paths.staging)
        digest = fetched_digest(found, paths, budget, watch)
    if digest != found.answer.sha256:
        shutil.rmtree(paths.staging)
        raise wrong_model(found, digest)
    publish(paths)


def fetched_digest(found: ResolvedModel, paths: EnginePaths, budget: FetchBudget, watch: ByteCallback) -> str:
    """Bring all files to where they are not visible yet, and return the digest of what is there."""
    done, digests, descriptors = 0, [], []
    files = files_of(found, paths)
    with contextlib.ExitStack() as opened:
        for file in files:
            journal = journal_to_go_on(found, file)
            size = found.answer.files[file.number].size
            descriptors.append(opened.enter_context(open_partial(file, size)))
            source = RangeSource(found.sources[file.number], budget.tls, size)
            job = Transfer(source, descriptors[-1], budget.connections, budget.deadline)
            digests.append(transfer(job, journal, _after(done, watch)))
            os.fsync(descriptors[-1])
            done += size
        # Open until here: the number of a file that is gone may be given to the next of its name.
        for file, descriptor in zip(files, descriptors, strict=True):
            require_same(file.partial, descriptor)
    return digest_of_all(digests, found)


def files_of(found: ResolvedModel, paths: EnginePaths) -> list[ModelFilePaths]:
    """Return the paths of every file on its way, the model first."""
    return [ModelFilePaths(paths.folder, number, name) for number, (name, _) in enumerate(_sizes(found))]


def journal_to_go_on(found: ResolvedModel, paths: ModelFilePaths) -> DownloadJournal:
    """Return which parts of one file are there, and remove what is of no use."""
    paths.partial.parent.mkdir(parents=True, exist_ok=True)
    journal = journal_of(found, paths)
    if not (journal.finished and has_size(paths.partial, found.answer.files[paths.number].size)):
        start_over(paths, journal)
    return journal


def journal_of(found: ResolvedModel, paths: ModelFilePaths) -> DownloadJournal:
    """Return what an earlier run noted of one file."""
    file = found.answer.files[paths.number]
    of_what = f"{found.answer.sha256}/{file.name}"
    part_size = part_size_of(file.size)
    return DownloadJournal(paths.journal, sha256=of_what, size=file.size, part_size=part_size)


def publish(paths: EnginePaths) -> None:
    """Make the verified files visible, readable for the containers' users, in one rename."""
    files = paths.staging / "files"
    for folder, _, names in os.walk(files):
        for name in names:
            Path(folder, name).chmod(READ_ONLY)
        Path(folder).chmod(0o755)
        sync_folder(Path(folder))
    if paths.model.is_dir():
        shutil.rmtree(paths.model)
    files.rename(paths.model)
    shutil.rmtree(paths.staging)
    sync_folder(paths.folder)


def wrong_model(found: ResolvedModel, digest: str) -> FetchError:
    """Build the error for files that are not those that the resource names."""
    return FetchError(
        Reason.DigestMismatch,
        f"the model of {found.answer.name}: the store sent SHA-256 {digest}, the resource says "
        f"{found.answer.sha256}",
        "Nothing was installed. Correct spec.model.source, or push the model again.",
    )


def _sizes(found: ResolvedModel) -> list[tuple[str, int]]:
    """Return where each file lies in the model's folder, the model first, and its bytes."""
    model, *data = found.answer.files
    return [(MODEL_FILE, model.size), *((file.name, file.size) for file in data)]


def _after(done: int, watch: ByteCallback) -> ByteCallback:
    return lambda more, without_gap: watch(done + more, done + without_gap)
