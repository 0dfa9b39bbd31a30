"""What a person sees while images are built: one line a step, with the seconds it took."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from images.errors import ImagesError

_TAIL_LINES = 25


def say(text: str) -> None:
    """Print one progress line; standard output is kept for results."""
    print(text, file=sys.stderr, flush=True)


@contextmanager
def step(text: str) -> Iterator[None]:
    """Announce a step, and how long it took once it is done."""
    started = time.monotonic()
    say(f"{text} …")
    yield
    say(f"{text}: {time.monotonic() - started:.0f} s")


def run(
    command: Sequence[str | Path],
    *,
    what: str,
    remedy: str = "",
    environment: Mapping[str, str] | None = None,
    show: Callable[[str], bool] = lambda _: False,
) -> None:
    """
    Run a program; pass on the lines that ``show`` picks, and its last lines when it fails.

    Raises:
        ImagesError: the program is missing or failed.
    """
    tail: list[str] = []
    try:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment,
        )
    except FileNotFoundError as error:
        raise ImagesError(f"{command[0]} is not installed", remedy=_packages_remedy()) from error
    with process:
        for line in process.stdout or ():
            tail = [*tail[1 - _TAIL_LINES :], line.rstrip()]
            if show(line):
                say(f"    {line.strip()[:140]}")
    if process.returncode != 0:
        raise ImagesError(f"{what} failed ({process.returncode}):\n" + "\n".join(tail), remedy=remedy)


def ask(command: Sequence[str | Path]) -> str:
    """Run a program and return what it printed; ImagesError with its complaint when it fails."""
    try:
        done = subprocess.run(
            [str(word) for word in command], capture_output=True, text=True, check=False, timeout=600
        )
    except FileNotFoundError as error:
        raise ImagesError(f"{command[0]} is not installed", remedy=_packages_remedy()) from error
    if done.returncode != 0:
        raise ImagesError(f"{Path(str(command[0])).name} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout


def _packages_remedy() -> str:
    return "install what building needs: PYTHONPATH=tests/tools python3 -m localcluster packages"
