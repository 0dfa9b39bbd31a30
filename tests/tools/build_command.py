"""The command line of a tool that is built or fetched once: ``python -m NAME build`` prints where it is."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path


def run(tool: str, purpose: str | None, build: Callable[[], Path]) -> None:
    """Read the command line of ``tool`` and build."""
    parser = argparse.ArgumentParser(prog=f"python -m {tool}", description=purpose)
    parser.add_argument("command", choices=["build"])
    parser.parse_args()
    print(build())
