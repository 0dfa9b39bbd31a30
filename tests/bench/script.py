"""Time a script that is a process of its own, as benches compare it with another."""

import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory


def seconds(script: str, arguments: tuple[str | Path, ...], bytecode: str) -> float:
    """
    Return how long ``script`` took; what it imports is compiled into the folder ``bytecode`` once.

    It is given a folder to work in, which is gone afterwards, and ``arguments``.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with TemporaryDirectory() as work:
        started = time.monotonic()
        subprocess.run(
            [sys.executable, "-W", "ignore", "-c", script, work, *arguments],
            check=True,
            env=environment | {"PYTHONPYCACHEPREFIX": bytecode},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return time.monotonic() - started
