"""
The build log: a bounded file of what the stages and NVIDIA's software said, with errors and warnings.

The file is published beside the engine, so it holds no URL and no token.
"""

from collections import Counter
from pathlib import Path

from ignition_builder.messages import warning_code

MAX_LOG_BYTES = 1024 * 1024
MAX_KEPT = 64


class Journal:
    """
    Collects messages of one stage and appends them to the file at ``path``.

    ``errors`` are the first errors that matter, ``warnings`` counts codes; both are bounded, as the file is:
    a model can make TensorRT repeat itself without end.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8", errors="replace")
        self._left = MAX_LOG_BYTES - self._file.tell()
        self.errors: list[str] = []
        self.warnings: Counter[str] = Counter()
        self.first_warnings: dict[str, str] = {}

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def note(self, message: str) -> None:
        """Write one line of information."""
        self._write("info", message)

    def warn(self, code: str, message: str, count: int = 1) -> None:
        """Count a warning under ``code``."""
        self.warnings[code] += count
        self.first_warnings.setdefault(code, message)
        self._write("warning", f"{code}: {message}")

    def hear(self, severity: str, message: str) -> None:
        """Take one message of NVIDIA's logger; ``severity`` is its name there, such as ``WARNING``."""
        if severity.endswith("ERROR"):
            self._write("error", message)
            if len(self.errors) < MAX_KEPT:
                self.errors.append(message)
        elif severity == "WARNING":
            self.warn(warning_code(message), message)
        elif severity == "INFO":
            self._write("info", message)

    def take_errors(self) -> list[str]:
        """Return the errors so far and forget them: somebody found a way around what they say."""
        taken, self.errors = self.errors, []
        return taken

    def _write(self, level: str, message: str) -> None:
        line = f"{level}: {message}\n"
        self._left -= len(line)
        # Between two builds of one process nobody's log is open.
        if self._left > 0 and not self._file.closed:
            self._file.write(line)
            self._file.flush()
