"""
Show how far a build is: a bar on a terminal, else a line for each phase and every few seconds.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

LINE_SECONDS = 5.0

Watcher = Callable[[str, float], None]


@contextmanager
def watching(what: str) -> Iterator[Watcher]:
    """Give what is told the phase and the fraction that is done, for as long as the block runs."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lines(what)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as bars:
        task = bars.add_task(what, total=1.0)
        yield lambda phase, fraction: bars.update(task, completed=fraction, description=f"{what}: {phase}")


def lines(what: str, clock: Callable[[], float] = time.monotonic) -> Watcher:
    """Return a watcher that prints a line to standard error for a new phase, and every few seconds."""
    last = ("", -LINE_SECONDS)

    def watch(phase: str, fraction: float) -> None:
        nonlocal last
        now = clock()
        if phase != last[0] or now - last[1] >= LINE_SECONDS:
            last = (phase, now)
            typer.echo(f"{what}: {phase}, {fraction:.0%}", err=True)

    return watch
