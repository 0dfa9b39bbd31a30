"""
The pipe from a child process to its parent: one JSON object per line, progress first, one answer last.
"""

import json
import math
import os
import time
from typing import Any

from ignition_hub.engine.errors import (
    IgnitionError,
    NodeError,
    Reason,
    RequestError,
    TransientError,
    exit_code_of,
    exit_of,
)

LEAST_PAUSE = 0.2
"""Seconds between two progress lines: the parent asks the gateway less often still."""


class Report:
    """The child's end of the pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._sent = -math.inf
        self.cancelled = False

    def cancel(self) -> None:
        """Stop at the next step; Python calls this between two callbacks of TensorRT."""
        self.cancelled = True

    @property
    def is_due(self) -> bool:
        """Whether a progress line would be sent now."""
        return time.monotonic() - self._sent >= LEAST_PAUSE

    def progress(self, phase: str, fraction: float) -> None:
        """Say how far the stage is, 0 to 1; too soon after the last time nothing is sent."""
        if self.is_due:
            self._sent = time.monotonic()
            self._send({"progress": [phase, fraction]})

    def result(self, document: dict[str, Any]) -> None:
        """Send the stage's answer."""
        self._send({"result": document})

    def error(self, error: IgnitionError) -> None:
        """Send why there is none."""
        self._send({"error": {"reason": str(error.reason), "message": error.message, "remedy": error.remedy}})

    def _send(self, document: dict[str, Any]) -> None:
        data = memoryview(json.dumps(document).encode() + b"\n")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BrokenPipeError:
            # The parent is gone: nobody wants the engine any more.
            self.cancelled = True


def error_of(document: dict[str, Any]) -> IgnitionError:
    """Return the error a child sent, of the class that its exit code belongs to."""
    try:
        reason = Reason(document["reason"])
        message, remedy = str(document["message"]), str(document.get("remedy", ""))
    except (KeyError, TypeError, ValueError):
        return RequestError(Reason.BuildFailed, "the build process returned an unreadable error")
    return kind_of(reason)(reason, message, remedy)


def disk_error(error: OSError) -> IgnitionError:
    """Return what a failure to write the work directory means."""
    return NodeError(
        Reason.InsufficientDisk,
        f"the work directory cannot be used ({error.strerror or error})",
        "give the BuildPool's builder a writable volume with more space",
    )


def kind_of(reason: Reason) -> type[IgnitionError]:
    """Return the error class of a reason, by how it ends the builder."""
    if exit_of(reason).retry:
        return TransientError
    return NodeError if 20 <= exit_code_of(reason) < 30 else RequestError
