"""
What the kernel says about the memory of this container: the limit, and how often it killed somebody.

Reads cgroup v2 and v1 files; a file that is missing means "not known", never an error.
"""

import contextlib
import os
import resource
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ignition_builder.journal import Journal
from ignition_hub.compatibility.support_matrix import Version, parse_version
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import TENSORRT, EngineInputs
from ignition_hub.engine.request import BuildRequest
from ignition_hub.engine.warnings import Warn

CGROUPS = Path("/sys/fs/cgroup")
UNLIMITED = 1 << 60
"""From here on a v1 limit means none: the kernel rounds the largest number to pages."""

NEEDED_PER_WEIGHT, NEEDED_BESIDE = 2.4, 200 * 1024 * 1024
"""What a build takes: so many times the weights, and so many bytes more (measured on RTX 1.7.1)."""
LEAST_PER_WEIGHT = 1.5
"""Below so many times its weights no build was ever seen to stay: TensorRT copies each of them once."""
NEEDED = (
    "a build takes about 2.4 times the weights and 200 MiB, 3.1 times with a TensorRT older than 10.13, "
    "4.5 times where int8 is calibrated"
)
"""The older ones hold the whole engine in memory before it is written (measured with and without)."""
START_OF: Mapping[Version, int] = {(8, 5): 2560 * 1024**2, (8, 6): 5 * 1024**3}
"""
What the first builder of a process needs before it sees a model, by release of TensorRT: 8.6.0 took 4.1 GiB,
its library of kernels alone 2,954 MiB, and 8.5.3.1 took 2.1 GiB (run with an H200).
"""

STACK = 8 * 1024**2
"""Of a thread, as Linux has it; libraries start as many as there are cores."""


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


def start_of(inputs: EngineInputs) -> int:
    """Return the bytes that a builder of the wanted TensorRT needs for itself; 0 where that is not known."""
    release = parse_version(inputs.tensorrt_version)[:2]
    return START_OF.get(release, 0) if inputs.flavor == TENSORRT else 0


def needed_for(weights: int, inputs: EngineInputs) -> int:
    """Return the bytes that compiling a model with so many bytes of weights takes, all processes together."""
    return start_of(inputs) + int(weights * NEEDED_PER_WEIGHT) + NEEDED_BESIDE


def compiler_has_company(request: BuildRequest, weights: int, room: int, memory: Memory) -> bool:
    """
    Tell whether another process may take ``room`` bytes while the engine is compiled.

    Not where TensorRT measures kernels, which nothing is to disturb.
    """
    if request.inputs.flavor == TENSORRT or request.low_memory:
        return False
    return memory.limit is None or memory.limit >= needed_for(weights, request.inputs) + room


def check_memory(weights: int, memory: Memory, journal: Journal, inputs: EngineInputs) -> None:
    """
    Raise RequestError (ModelTooLarge) when a model with so many bytes of weights cannot fit; warn when tight.

    Without a limit nothing is said: the machine may swap, or be as large as it takes.
    """
    if memory.limit is None:
        return
    start, needed = start_of(inputs), needed_for(weights, inputs)
    if memory.limit < start:
        raise RequestError(
            Reason.ModelTooLarge,
            f"{inputs.release} needs {mebibytes(start)} before it sees a model, for its kernels, and the "
            f"container has {mebibytes(memory.limit)}",
            f"raise resources of the BuildPool to {mebibytes(needed)}",
        )
    figures = f"{mebibytes(weights)} of weights, and the container has {mebibytes(memory.limit)}"
    if weights * LEAST_PER_WEIGHT > memory.limit:
        raise RequestError(
            Reason.ModelTooLarge,
            f"the model has {figures}; no build fits in less than {LEAST_PER_WEIGHT} times the weights",
            f"raise resources of the BuildPool to {mebibytes(needed)}; {NEEDED}",
        )
    if needed > memory.limit:
        journal.warn(Warn.HostMemoryTight, f"the model has {figures}; {NEEDED}")


def forget_peak(clear: Path = Path("/proc/self/clear_refs")) -> None:
    """Begin to count the largest resident size anew; does nothing where the kernel does not allow it."""
    with contextlib.suppress(OSError):
        # The number is the kernel's word for it (proc(5)).
        clear.write_text("5")


def hold_to(more: int, status: Path = Path("/proc/self/status")) -> None:
    """
    Let this process take so many bytes more for itself, stacks of threads apart, and no more than that.

    Mapped files do not count. Where the kernel does not say what there is now, nothing is held.
    """
    for line in _text(status).splitlines():
        if line.startswith("VmData:"):
            most = int(line.split()[1]) * 1024 + more + STACK * (os.cpu_count() or 1)
            _, hard = resource.getrlimit(resource.RLIMIT_DATA)
            least = most if hard == resource.RLIM_INFINITY else min(most, hard)
            resource.setrlimit(resource.RLIMIT_DATA, (least, hard))


def peak(status: Path = Path("/proc/self/status")) -> int:
    """Return the largest resident size this process had, in bytes, since ``forget_peak`` or its start."""
    for line in _text(status).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return _largest(resource.RUSAGE_SELF)


def peak_of_children() -> int:
    """Return the largest resident size, in bytes, of any child process that has ended."""
    return _largest(resource.RUSAGE_CHILDREN)


def _largest(who: int) -> int:
    # Linux counts in KiB.
    return resource.getrusage(who).ru_maxrss * 1024


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
