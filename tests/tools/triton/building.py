"""Fetch the packages of ``requirements/triton.txt``, unpack them, and compile the stand-in of a backend."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from triton.paths import PINNED, STAND_IN, folder

LONGEST = 600
"""Seconds of one step; the download takes a few."""
SERVER = "pytriton/tritonserver/bin/tritonserver"
BACKEND = "backends/tensorrt/libtriton_tensorrt.so"


def build() -> Path:
    """Fetch and compile unless all is there, and return the folder; CalledProcessError when a step fails."""
    target = folder()
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as unfinished:
        made = Path(unfinished) / "made"
        for wheel in fetched(Path(unfinished) / "wheels"):
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(made)
        (made / SERVER).chmod(0o755)
        compile_stand_in(made / BACKEND)
        made.rename(target)
    return target


def fetched(into: Path) -> list[Path]:
    """Download the pinned packages, each checked against its hash."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    step(*command, "--only-binary", ":all:", "--require-hashes", "-r", str(PINNED), "-d", str(into))
    return sorted(into.glob("*.whl"))


def compile_stand_in(backend: Path) -> None:
    """Compile the backend with the system's C compiler."""
    backend.parent.mkdir(parents=True)
    step("cc", "-shared", "-fPIC", "-Wall", "-o", str(backend), str(STAND_IN))


def step(*command: str) -> None:
    """Run one command; it fails the build when it does not end well."""
    subprocess.run(command, check=True, timeout=LONGEST)
