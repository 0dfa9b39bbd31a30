"""The lines that a fetcher logs, for people."""

import sys


def say(line: str) -> None:
    """Log one line."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
