"""
Compile processes that outlive a build, for a program that builds more than once.

The first builder of a process loads NVIDIA's kernels, and every build in a process of its own pays for that
again: 8 to 12 seconds with TensorRT 8.6.0 on an H200, where a second builder beside the first takes 2 ms
(measured). One such process is kept at a time, for ``child.IDLE_SECONDS``; it ends with the program.
"""

import atexit
import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ignition_builder.documents import COMPILE, INSPECT, Task
from ignition_builder.progress import Watcher
from ignition_builder.stage_process import Child, StageProcesses
from ignition_hub.engine.errors import IgnitionError, Reason


class KeptCompiler:
    """
    A compile process that may have built before; what it built is no part of a verdict.

    One that dies over its second build or a later one is replaced, and the build is done once more.
    """

    def __init__(self, child: Child, log: Path) -> None:
        self._child, self._log, self._is_fit = child, log, True

    def run(self, task: Task, watch: Watcher, deadline: float) -> dict[str, Any]:
        """Return the answer to ``task``; raises IgnitionError as ``Child.run`` does."""
        self._is_fit = False
        try:
            found = self._child.run(task, watch, deadline)
        except IgnitionError as error:
            if not self._child.answers or self._child.has_refused or error.reason is Reason.DeadlineExceeded:
                raise
            self._child.stop()
            self._child = fresh_compiler(self._log)
            found = self._child.run(task, watch, deadline)
        # A plugin library stays loaded, and what it registers would be no news to the next build.
        self._is_fit = not task.files.plugins
        return found

    def put_back(self) -> None:
        """Keep the process for the next build, or end it when it did not do well."""
        if not self._is_fit or not _shelf.keep(self._child):
            self._child.stop()


class _Shelf:
    """Where the one process is that nobody uses."""

    def __init__(self) -> None:
        self._lock, self._child = threading.Lock(), None

    _child: Child | None

    def keep(self, child: Child) -> bool:
        """Take ``child``; False when there is one already, or it has ended."""
        with self._lock:
            if self._child is not None or not child.is_alive:
                return False
            self._child = child
            return True

    def take(self) -> Child | None:
        """Give the process away; None when there is none that lives."""
        with self._lock:
            child, self._child = self._child, None
        if child is None or child.is_alive:
            return child
        child.stop()
        return None

    def forget(self) -> None:
        """Leave the process to the parent of this fork: two programs would read each other's answers."""
        self._lock = threading.Lock()
        if self._child is not None:
            self._child.leave()
            self._child = None


@contextlib.contextmanager
def processes_with_kept_compiler(log: Path) -> Iterator[StageProcesses]:
    """Give the processes of one build; its compile process is kept when it has done well."""
    compiler = KeptCompiler(_shelf.take() or fresh_compiler(log), log)
    try:
        with Child(INSPECT, log, stays=True) as inspector:
            yield StageProcesses(inspector, compiler)
    finally:
        compiler.put_back()


def fresh_compiler(log: Path) -> Child:
    """Start a compile process that takes more than one Task."""
    return Child(COMPILE, log, stays=True)


def stop_kept() -> None:
    """End the process that is kept; the next build starts another."""
    if child := _shelf.take():
        child.stop()


_shelf = _Shelf()
atexit.register(stop_kept)
os.register_at_fork(after_in_child=_shelf.forget)
