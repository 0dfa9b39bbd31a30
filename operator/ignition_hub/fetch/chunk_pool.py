"""
The memory of one download, which goes round: a writer fills a chunk, the digest takes it, and so on.

Bytes are in the file before they are kept here. What is not kept is read back from the file, so that few
chunks are enough, and a chunk that is missing costs time alone.
"""

import threading

CHUNK = 1024 * 1024
MOST_CHUNKS = 20
"""A part of the longest kind that the digest has not begun, and what two writers fill behind it."""


class ChunkPool:
    """The chunks of one download, by where in the file their bytes begin; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made = 0
        self._free: list[memoryview] = []
        self._kept: dict[int, memoryview] = {}

    def take(self) -> memoryview:
        """Return ``CHUNK`` bytes of memory to fill: where none are free, those that the digest needs last."""
        with self._lock:
            if not self._free and self._kept and self._made >= MOST_CHUNKS:
                self._release(self._kept.pop(max(self._kept)))
            if self._free:
                return self._free.pop()
            self._made += 1
            return memoryview(bytearray(CHUNK))

    def keep(self, start: int, chunk: memoryview) -> None:
        """Have ``chunk``, the bytes of the file from ``start``, ready for the digest."""
        with self._lock:
            self._kept[start] = chunk

    def kept_at(self, start: int) -> memoryview | None:
        """Return the bytes of the file from ``start``, None where they are not kept."""
        with self._lock:
            return self._kept.pop(start, None)

    def give_back(self, chunk: memoryview) -> None:
        """Have the memory of ``chunk`` filled again."""
        with self._lock:
            self._release(chunk)

    def drop_before(self, stop: int) -> None:
        """Keep no bytes of the file before ``stop``: the digest is past them."""
        with self._lock:
            for start in [start for start in self._kept if start < stop]:
                self._release(self._kept.pop(start))

    def _release(self, chunk: memoryview) -> None:
        self._free.append(memoryview(chunk.obj))
