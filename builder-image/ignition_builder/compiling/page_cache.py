"""
Give back the pages of mapped weight files while TensorRT compiles.

TensorRT maps external weights and copies each of them once; without this the pages it has read stay counted
as the process's memory beside the copies (measured on RTX 1.7.1: 1.7 instead of 1.2 GiB at the peak for
512 MiB of weights). Dropping a clean page of a read-only mapping loses nothing: it is read again if needed.

Read-only alone does not mean clean: the loader writes into a library's mapping and protects it afterwards
(RELRO), and such pages are zero once they are dropped. So a file counts only by its whole name, never by a
folder above it, and not when anything of it is mapped to be written or run.
"""

import contextlib
import ctypes
import os
import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

MADV_DONTNEED = 4
PAUSE_SECONDS = 0.05
WORTH_SWEEPING = 32 * 1024 * 1024
"""Bytes of weights; looking for their pages takes some 5 % of a short build's time."""
MAPS = Path("/proc/self/maps")

Mapping = tuple[int, int]
"""Where a mapping starts, and its length in bytes."""


class PageSweeper:
    """A thread that drops read-only mapped pages of the very ``files`` until the block is left."""

    def __init__(self, files: Iterable[str | Path]) -> None:
        self._names = frozenset(_name_in_maps(path) for path in files)
        self._libc = ctypes.CDLL(None)
        self._libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sweep, daemon=True)

    def __enter__(self) -> "PageSweeper":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _sweep(self) -> None:
        # Where /proc is not to be read, memory is merely not saved.
        with contextlib.suppress(OSError):
            while not self._stop.wait(PAUSE_SECONDS):
                self.sweep_once()

    def sweep_once(self) -> None:
        """Drop what is in memory of the files now; raises OSError where /proc is not to be read."""
        for start, length in clean_mappings(MAPS.read_text(errors="surrogateescape"), self._names):
            self._libc.madvise(start, length, MADV_DONTNEED)


def clean_mappings(maps: str, names: frozenset[str]) -> list[Mapping]:
    """
    Return the mappings of the files ``names`` in the text of ``/proc/self/maps``.

    A file of which a part is mapped to be written or run is left out whole.
    """
    found: dict[str, list[tuple[str, Mapping]]] = defaultdict(list)
    for line in maps.split("\n"):
        words = line.split(maxsplit=5)
        if len(words) == 6 and words[5] in names:
            start, end = (int(word, 16) for word in words[0].split("-"))
            found[words[5]].append((words[1], (start, end - start)))
    return [place for mapped in found.values() if _is_read_only(mapped) for _, place in mapped]


def _is_read_only(mapped: Sequence[tuple[str, Mapping]]) -> bool:
    return all(rights.startswith("r--") for rights, _ in mapped)


def _name_in_maps(path: str | Path) -> str:
    """Return how the kernel writes a file's name: without links, and on one line."""
    return os.path.realpath(path).replace("\n", "\\012")


def sweeping(weights: int, files: Iterable[str | Path]) -> AbstractContextManager[object]:
    """Return a PageSweeper where there are enough bytes of weights to pay for it, else nothing."""
    return PageSweeper(files) if weights >= WORTH_SWEEPING else contextlib.nullcontext()
