"""
Run the accuracy and benchmark checks of a request in a process of their own: it loads what others must not.

Loading takes a second, as long as many a build, so it is done while the engine is compiled; but not where
TensorRT measures kernels, which nothing is to disturb, and not where memory is short of both.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ignition_builder.documents import VERIFY, Task, Verified, prepared_of
from ignition_builder.memory import Memory, compiler_has_company, read_memory
from ignition_builder.progress import Watcher
from ignition_builder.stage_process import Child

LOADED = 96 * 1024**2
"""Bytes that the process holds before it has a model (run: 60 MiB with onnxruntime 1.31.1)."""

Checks = Callable[[Task, Watcher, float], Verified | None]


@contextlib.contextmanager
def checks_of(task: Task) -> Iterator[Checks]:
    """
    Give what runs the checks of ``task``, which is about to be compiled; it answers None without checks.

    The process ends with it. What it gives takes the Task with its engine, hears progress until a deadline
    on the monotonic clock, and raises IgnitionError (VerificationFailed) when a check does not hold.
    """
    with contextlib.ExitStack() as processes:

        def started() -> Child:
            return processes.enter_context(Child(VERIFY, Path(task.log)))

        is_due = bool(task.request.verification)
        early = started() if is_due and loads_beside(task, read_memory()) else None

        def verified(built: Task, watch: Watcher, deadline: float) -> Verified | None:
            if not is_due:
                return None
            return Verified.from_json((early or started()).run(built, watch, deadline))

        yield verified


def loads_beside(task: Task, memory: Memory) -> bool:
    """Tell whether the process may load while the engine is compiled."""
    return compiler_has_company(task.request, prepared_of(task).weights_bytes, LOADED, memory)
