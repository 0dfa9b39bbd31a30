"""
Download wheels of bindings, import each over stub libraries, and return what it shows.

A wheel is downloaded once, into the user's cache. Each import has a process of its own: two releases cannot
be loaded together, and the oldest have wheels for older versions of Python only. Of a wheel that holds
NVIDIA's libraries as well, some half a gigabyte, the module alone is unpacked.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bindings.errors import BindingsError
from bindings.releases import Release
from bindings.stubs import make_stubs
from images.errors import ImagesError
from images.paths import cache_folder
from images.wheels import find_pip_python

_INTROSPECT = Path(__file__).with_name("introspect.py")
_LAST_LINES = 3


def collect(release: Release) -> Mapping[str, Any]:
    """
    Return the inventory of one release, as ``introspect`` describes it.

    Raises:
        BindingsError: the wheel cannot be had for this Python, or does not import.
    """
    python = _python_for(release)
    wheel = _downloaded(release, python)
    with tempfile.TemporaryDirectory(prefix="ignition-bindings-") as folder:
        unpacked = Path(folder) / "wheel"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked, [name for name in archive.namelist() if not _is_library(name)])
        extensions = sorted((unpacked / release.module).glob("*.so"))
        if not extensions:
            raise BindingsError(f"{wheel.name} holds no extension module")
        return _introspected(release, python, unpacked, make_stubs(extensions[0], Path(folder)))


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter: its path and its version, such as ``3.10``."""

    path: str
    version: str


def _python_for(release: Release) -> Python:
    newest, ours = release.newest_python, sys.version_info[:2]
    if newest is None or ours <= newest:
        return Python(sys.executable, "{}.{}".format(*ours))
    version = "{}.{}".format(*newest)
    path = shutil.which(f"python{version}")
    if path is None or not _is_version(path, version):
        raise BindingsError(
            f"{release.flavor} {release.version}: its wheels are for Python up to {version}",
            remedy=f"put python{version} on the PATH",
        )
    return Python(path, version)


def _is_version(path: str, version: str) -> bool:
    # A version manager may leave a command that only says that it does not know the version.
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=60)
    return said.returncode == 0 and said.stdout.startswith(f"Python {version}.")


def _is_library(name: str) -> bool:
    return Path(name).name.startswith("lib")


def _downloaded(release: Release, python: Python) -> Path:
    folder = cache_folder() / "bindings" / f"cp{python.version.replace('.', '')}"
    kept = folder / release.file_name.removesuffix(".json")
    if not list(kept.glob("*.whl")):
        _download(release, python, kept)
    return next(kept.glob("*.whl"))


def _download(release: Release, python: Python, folder: Path) -> None:
    try:
        pip = [find_pip_python(), "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    except ImagesError as error:
        raise BindingsError(str(error)) from error
    wanted = [
        "--python-version",
        python.version,
        "--dest",
        str(folder),
        f"{release.package}=={release.package_version}",
    ]
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False, timeout=3600)
    if done.returncode != 0:
        said = "\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise BindingsError(
            f"{release.flavor} {release.version}: no {release.package} for Python {python.version}: {said}",
            remedy="pip must reach a package index; its own settings say which",
        )


def _introspected(release: Release, python: Python, unpacked: Path, stubs: list[Path]) -> Mapping[str, Any]:
    command = [python.path, "-I", str(_INTROSPECT), str(unpacked), release.module, *map(str, stubs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise BindingsError(f"{release.package} {release.version} does not import over stubs: {last}")
    inventory: Mapping[str, Any] = json.loads(done.stdout)
    return inventory
