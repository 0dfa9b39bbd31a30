"""What is built: one small file beside each archive, written after it."""

from __future__ import annotations

import json
import tarfile
from dataclasses import asdict, dataclass
from pathlib import Path

from images.errors import ImagesError


@dataclass(frozen=True, slots=True)
class Record:
    """One finished image."""

    name: str
    """Full reference, as a pod names it."""
    archive: str
    """Path of the ``docker-archive`` file."""
    digest: str
    """``sha256:…`` of the image's configuration: its id, as containerd and Docker show it."""
    key: str
    """What it was made from, see ``inputs``."""

    def write(self, folder: Path) -> None:
        """Replace the record of this image."""
        path = folder / f"{short_name(self.name)}.json"
        unfinished = path.with_suffix(".json.part")
        unfinished.write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)


def short_name(reference: str) -> str:
    """``localhost/ignition-hub/fetcher:dev`` -> ``fetcher``."""
    return reference.rsplit("/", 1)[-1].partition(":")[0]


def read_record(folder: Path, name: str) -> Record | None:
    """The record of an image whose archive is there; None when it has to be built."""
    try:
        record = Record(**json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):  # an older form of record counts as none
        return None
    return record if Path(record.archive).exists() else None


def digest_of_archive(archive: Path) -> str:
    """
    The image id, read from a ``docker-archive``.

    Raises:
        ImagesError: the file is no such archive.
    """
    with tarfile.open(archive) as tar:
        member = tar.extractfile("manifest.json")
        if member is None:
            raise ImagesError(f"{archive} has no manifest.json: it is not a docker-archive")
        config = json.load(member)[0]["Config"]
    return f"sha256:{config.removesuffix('.json')}"
