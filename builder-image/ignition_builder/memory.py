"""
What the kernel says about the memory of this container: the limit, and how often it killed somebody.

Reads cgroup v2 and v1 files; a file that is missing means "not known", never an error.
"""

import resource
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60
"""From here on a v1 limit means none: the kernel rounds the largest number to pages."""


@dataclass(frozen=True, slots=True)
class Memory:
    """A reading: the limit in bytes, and the count of OOM kills; None where the kernel does not say."""

    limit: int | None
    kills: int | None
    kills_all: bool = False
    """Whether the kernel ends every process of the container at once (``memory.oom.group``)."""


def read_memory(root: Path = CGROUPS, processes: Path = Path("/proc/self/cgroup")) -> Memory:
    """Return what the cgroup of this process says."""
    for folder in _folders(root, processes):
        if (folder / "memory.events").exists():
            return Memory(
                _limit(folder / "memory.max"),
                _counter(folder / "memory.events", "oom_kill"),
                _number(folder / "memory.oom.group") == 1,
            )
        if (folder / "memory.oom_control").exists():
            return Memory(
                _limit(folder / "memory.limit_in_bytes"), _counter(folder / "memory.oom_control", "oom_kill")
            )
    return Memory(None, None)


def peak_of_children() -> int:
    """Return the largest resident size, in bytes, of any child process that has ended."""
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024


def mebibytes(size: int) -> str:
    """Spell a size for a message."""
    return f"{size / 1024 / 1024:,.0f} MiB"


def _folders(root: Path, processes: Path) -> list[Path]:
    """Where this process's counters may be: its own path first, then the root a container sees."""
    own: list[Path] = []
    for line in _text(processes).splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            own.append(root / path.lstrip("/"))
        elif "memory" in controllers.split(","):
            own.append(root / "memory" / path.lstrip("/"))
    return [*own, root, root / "memory"]


def _limit(path: Path) -> int | None:
    value = _number(path)
    return None if value is None or value >= UNLIMITED else value


def _number(path: Path) -> int | None:
    text = _text(path).strip()
    return int(text) if text.isdigit() else None


def _counter(path: Path, name: str) -> int | None:
    for line in _text(path).splitlines():
        words = line.split()
        if len(words) == 2 and words[0] == name and words[1].isdigit():
            return int(words[1])
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
