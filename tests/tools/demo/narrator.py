"""What the demo says on the terminal: numbered steps, progress, manifests; plain without a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console


@dataclass
class Narrator:
    """Numbers the steps, times them, and prints what they show."""

    console: Console = field(default_factory=lambda: Console(highlight=False, soft_wrap=True))
    started: float = field(default_factory=time.monotonic)
    number: int = 0

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Announce a step, and say how long it took."""
        self.number += 1
        began = time.monotonic()
        self.console.print(f"\n[bold cyan]{self.number}. {title}[/]")
        yield
        self.console.print(f"[dim]   {time.monotonic() - began:.1f} s[/]")

    def say(self, text: str) -> None:
        """Print one line of prose."""
        self.console.print(f"   {text}")

    def command(self, line: str, output: str = "") -> None:
        """Print a command a person could type, and what it printed."""
        self.console.print(f"   [bold]$ {line}[/]")
        for row in output.rstrip().splitlines():
            self.console.print(f"   {row}", markup=False)

    def manifest(self, yaml: str) -> None:
        """Print a manifest."""
        for row in yaml.strip().splitlines():
            self.console.print(f"   {row}", markup=False, style="green")

    def elapsed(self) -> float:
        """Seconds since the demo began."""
        return time.monotonic() - self.started
