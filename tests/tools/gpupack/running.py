"""
Run the programs that packing takes: a compiler, tar, pip.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from gpupack.errors import PackError

LAST_LINES = 5


def ask(
    command: Sequence[str | Path], *, seconds: float = 900.0, environment: Mapping[str, str] | None = None
) -> str:
    """Run ``command`` and return what it printed; PackError with its complaint when it fails."""
    try:
        done = subprocess.run(
            [str(word) for word in command],
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
            env={**os.environ, **(environment or {})},
        )
    except FileNotFoundError as error:
        raise PackError(
            f"{command[0]} is not installed", remedy="install it: apt-get install gcc binutils xz-utils"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise PackError(f"{Path(str(command[0])).name} took more than {seconds:g} s") from error
    if done.returncode != 0:
        said = "\n".join(done.stderr.strip().splitlines()[-LAST_LINES:])
        raise PackError(f"{Path(str(command[0])).name} failed ({done.returncode}): {said}")
    return done.stdout
