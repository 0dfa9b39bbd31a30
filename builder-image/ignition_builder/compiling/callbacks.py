"""
The objects TensorRT calls back: a logger, a progress monitor, a writer for the serialized engine.

They are made from whichever TensorRT module is given, so they serve the full product and TensorRT-RTX. An
exception that leaves a callback is printed and cancels the build (measured on RTX 1.7.1), so none does.
"""

import functools
import hashlib
from collections.abc import Callable
from typing import Any, BinaryIO

from ignition_builder.journal import Journal
from ignition_builder.progress import Phases
from ignition_builder.report import Report

BUILDING = "Building engine"


class Sink:
    """Takes an engine as it is written, into a file and its SHA-256; ``error`` is the first failure."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self.size = 0
        self.error: OSError | None = None

    def write(self, data: Any) -> int:
        """Append ``data`` (bytes-like); return how many bytes were taken, 0 after a failure."""
        view = memoryview(data)
        try:
            left = view
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            self.error = self.error or error
            return 0
        self._digest.update(view)
        self.size += view.nbytes
        return view.nbytes

    @property
    def sha256(self) -> str:
        """The digest of everything written, as hex."""
        return self._digest.hexdigest()


def as_said(severity: str, _message: str) -> str:
    """Take every message for as grave as NVIDIA does."""
    return severity


def logger_of(trt: Any, journal: Journal, severity_of: Callable[[str, str], str] = as_said) -> Any:
    """
    Return the ILogger of this process, which from now on writes to ``journal``.

    NVIDIA's logger is global to a process and the first one wins, so a second build turns the first one's.
    ``severity_of`` says how grave a message really is, by the name of its severity and its words.
    """
    logger = _logger_of_process(trt)
    logger.journal, logger.severity_of = journal, severity_of
    return logger


@functools.lru_cache(maxsize=2)
def _logger_of_process(trt: Any) -> Any:
    verbose = int(trt.ILogger.VERBOSE)

    class Logger(trt.ILogger):  # type: ignore[misc]
        journal: Journal
        severity_of: Callable[[str, str], str]

        def log(self, severity: Any, message: str) -> None:
            # TensorRT sends tens of thousands of verbose messages for one network, and comparing numbers
            # takes a quarter of the time that comparing members takes.
            if severity.value != verbose:
                self.journal.hear(self.severity_of(severity.name, message), message)

    return Logger()


def monitor_of(trt: Any, report: Report) -> Any | None:
    """
    Return an IProgressMonitor that reports, and stops the build once the report is cancelled.

    TensorRT before 10 has none: there a build that is to stop is ended with its process.
    """
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._phases = Phases()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            self._phases.begin(phase_name, parent_phase, num_steps)

        def step_complete(self, phase_name: str, step: int) -> bool:
            try:
                self._phases.step(phase_name, step)
                if report.is_due:
                    report.progress(BUILDING, self._phases.fraction)
            except Exception:  # noqa: BLE001, S110  (progress is a courtesy; losing it must not lose the build)
                pass
            return not report.cancelled

        def phase_finish(self, phase_name: str) -> None:
            self._phases.end(phase_name)

    return Monitor()


def writer_of(trt: Any, sink: Sink) -> Any:
    """Return an IStreamWriter that writes to ``sink``."""

    class Writer(trt.IStreamWriter):  # type: ignore[misc]
        def write(self, data: Any) -> int:
            return sink.write(data)

    return Writer()
