"""
Which parts of a download are already on disk, so that a fetcher that was killed need not start over.

The journal is trusted for the download only: a part it lists is not fetched again, but the digest is
always computed over the whole file.
"""

import contextlib
import json
import threading
from pathlib import Path


class DownloadJournal:
    """
    The finished parts of one file, by index; ``finish`` may be called from several threads.

    A journal of other bytes (digest, size or part size differ) counts as empty.
    """

    def __init__(self, path: Path, *, sha256: str, size: int, part_size: int) -> None:
        self._path = path
        self.part_size = part_size
        self._count = -(-size // part_size)
        self._key = {"sha256": sha256, "size": size, "part_size": part_size}
        self._lock = threading.Lock()
        self._finished = self._read()

    @property
    def finished(self) -> frozenset[int]:
        """The indices of the parts that are whole."""
        with self._lock:
            return frozenset(self._finished)

    def finish(self, index: int) -> None:
        """Note that part ``index`` is whole; visible to the next process from here on."""
        with self._lock:
            self._finished.add(index)
            text = json.dumps({**self._key, "finished": sorted(self._finished)})
            # Written beside and renamed: a kill in between leaves the older journal, never half of one.
            beside = self._path.with_name(self._path.name + ".new")
            beside.write_text(text, encoding="ascii")
            beside.replace(self._path)

    def forget(self) -> None:
        """Start from nothing, on disk too."""
        with self._lock:
            self._finished.clear()
            self._path.unlink(missing_ok=True)

    def _read(self) -> set[int]:
        with contextlib.suppress(OSError, ValueError, RecursionError):
            found = json.loads(self._path.read_text(encoding="ascii"))
            indices = found.pop("finished") if isinstance(found, dict) and "finished" in found else None
            if found == self._key and isinstance(indices, list):
                return {index for index in indices if isinstance(index, int) and 0 <= index < self._count}
        return set()
