"""Caches with something in them, and other processes that use them: the stage of the tests of ``local``."""

import contextlib
import hashlib
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ignition_hub.local.cache import Cache, Finished
from ignition_hub.local.engine import LocalEngine
from storefixtures import make_inputs, make_manifest

ARCH = "sm_89"
SECONDS = 60.0


def placed(cache: Cache, content: bytes = b"an engine", **changes: Any) -> LocalEngine:
    """Put bytes that stand for an engine into a cache, as a build would."""
    inputs = make_inputs(**changes)
    manifest = make_manifest(
        prefix="", sha256=hashlib.sha256(content).hexdigest(), size=len(content), inputs=inputs
    )
    with cache.staging(manifest.identity) as folder:
        (folder / "engine.trt").write_bytes(content)
        (folder / "build.log").write_text("info: built\n")
        finished = Finished(folder / "engine.trt", manifest.to_bytes(), folder / "build.log")
        return cache.place(inputs, manifest.identity, finished)


@contextlib.contextmanager
def library_warnings() -> Iterator[list[str]]:
    """Give the list to which the library's warnings are added while the block runs."""
    said: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("ignition_hub.library")
    log.addHandler(handler)
    try:
        yield said
    finally:
        log.removeHandler(handler)


def command(*words: str | Path, **environ: str) -> "subprocess.Popen[str]":
    """Start ``ignition`` with words and variables, in a process of its own."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("ARTIFACTS_", "AWS_"))}
    # A shell that started the tests in the background had Ctrl-C ignored for all that follows.
    listening = ["env", "--default-signal=INT"]
    return subprocess.Popen(
        [
            *listening,
            sys.executable,
            "-c",
            "import sys; from ignition_hub.cli.app import main; sys.exit(main())",
        ]
        + [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, **environ},
    )


def finished(process: "subprocess.Popen[str]") -> tuple[int, str, str]:
    """Wait for a process; return its exit code, standard output and standard error."""
    out, err = process.communicate(timeout=SECONDS)
    return process.returncode, out, err


def until(holds: Callable[[], bool], process: "subprocess.Popen[str] | None" = None) -> None:
    """Return once a condition holds; fail when that takes too long, or when ``process`` ends before."""
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert process is None or process.poll() is None, process and finished(process)
        assert time.monotonic() < deadline
        time.sleep(0.005)


def children_of(parent: int) -> list[int]:
    """Return the processes a process has started."""
    tasks = Path(f"/proc/{parent}/task").glob("*/children")
    return [int(pid) for task in tasks for pid in task.read_text().split()]


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def files_in(folder: Path) -> set[str]:
    """Return every file below a folder, relative to it, without locks and remembered digests."""
    paths = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return {str(path) for path in paths if path.parts[0] not in {"locks", "digests"}}
