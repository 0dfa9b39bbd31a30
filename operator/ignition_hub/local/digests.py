"""
Digests of files, remembered for as long as the file is the same: a gigabyte is hashed once.

A file counts as the same while its size, inode, modification and change time are; the change time catches
tools that put the modification time back. A file that was touched within the last moments is not remembered,
for a second change could leave the same times.
"""

import contextlib
import errno
import hashlib
import json
import os
import stat
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ignition_hub.engine.canonical import canonical_json, sha256_hex

CHUNK = 1024 * 1024
SETTLED_SECONDS = 2.0
"""The coarsest clock of the file systems in use (FAT, some network mounts)."""


@dataclass(frozen=True, slots=True)
class DigestCache:
    """Remembers digests in small files below ``folder``; where it cannot write, nothing is remembered."""

    folder: Path

    def sha256(self, path: Path) -> str:
        """Return the SHA-256 (hex) of a file's bytes; OSError when it cannot be read."""
        known = self._known(path)
        if known is not None and isinstance(known.get("sha256"), str):
            return str(known["sha256"])
        before = path.stat()
        digest = sha256_of(path)
        self.remember(path, before, {"sha256": digest})
        return digest

    def fact(self, path: Path, name: str) -> Any:
        """Return what was remembered about an unchanged file under ``name``; None when nothing was."""
        return (self._known(path) or {}).get(name)

    def remember(self, path: Path, status: os.stat_result, facts: Mapping[str, Any]) -> None:
        """Remember ``facts`` about the file as it was at ``status``."""
        if time.time() - max(status.st_mtime, status.st_ctime) < SETTLED_SECONDS:
            return
        document = {**(self._known(path) or {}), **facts, "file": _stamp(path, status)}
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            place = self._place(path)
            fresh = place.with_name(f"{place.name}.{os.getpid()}")
            fresh.write_bytes(canonical_json(document))
            fresh.replace(place)

    def forget_the_gone(self) -> None:
        """Drop what is remembered of files that are no more."""
        for place in self.folder.glob("*.json"):
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                if not Path(json.loads(place.read_bytes())["file"]["path"]).exists():
                    place.unlink()

    def _known(self, path: Path) -> dict[str, Any] | None:
        try:
            document = json.loads(self._place(path).read_bytes())
            return dict(document) if document["file"] == _stamp(path, path.stat()) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _place(self, path: Path) -> Path:
        return self.folder / f"{sha256_hex(os.fsencode(path.absolute()))[:32]}.json"


def sha256_of(path: Path) -> str:
    """Read a file once for its SHA-256; OSError for what is no regular file: a device or pipe has no end."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "not a regular file")
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _stamp(path: Path, status: os.stat_result) -> dict[str, Any]:
    return {
        "path": str(path.absolute()),
        "size": status.st_size,
        "inode": status.st_ino,
        "device": status.st_dev,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
    }
