"""
Download wheels of bindings, import each over stub libraries, and return what it shows.

A wheel is downloaded once, into the user's cache. Each import has a process of its own: two releases cannot
be loaded together.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
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
    wheel = _downloaded(release)
    with tempfile.TemporaryDirectory(prefix="ignition-bindings-") as folder:
        unpacked = Path(folder) / "wheel"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(unpacked)
        extensions = sorted((unpacked / release.module).glob("*.so"))
        if not extensions:
            raise BindingsError(f"{wheel.name} holds no extension module")
        return _introspected(release, unpacked, make_stubs(extensions[0], Path(folder)))


def _downloaded(release: Release) -> Path:
    folder = cache_folder() / "bindings" / f"cp{sys.version_info.major}{sys.version_info.minor}"
    kept = folder / release.file_name.removesuffix(".json")
    if not list(kept.glob("*.whl")):
        _download(release, kept)
    return next(kept.glob("*.whl"))


def _download(release: Release, folder: Path) -> None:
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    try:
        pip = [find_pip_python(), "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    except ImagesError as error:
        raise BindingsError(str(error)) from error
    wanted = [
        "--python-version",
        python,
        "--dest",
        str(folder),
        f"{release.package}=={release.package_version}",
    ]
    done = subprocess.run([*pip, *wanted], capture_output=True, text=True, check=False, timeout=600)
    if done.returncode != 0:
        said = "\n".join(done.stderr.strip().splitlines()[-_LAST_LINES:])
        raise BindingsError(
            f"{release.flavor} {release.version}: no {release.package} for Python {python}: {said}",
            remedy=_remedy(release),
        )


def _remedy(release: Release) -> str:
    if release.numbers[0] == 8:
        return "8.6.1 has wheels up to Python 3.11: run this with 3.11"
    return "pip must reach a package index; its own settings say which"


def _introspected(release: Release, unpacked: Path, stubs: list[Path]) -> Mapping[str, Any]:
    command = [sys.executable, "-I", str(_INTROSPECT), str(unpacked), release.module, *map(str, stubs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode != 0:
        last = done.stderr.strip().rpartition("\n")[2]
        raise BindingsError(f"{release.package} {release.version} does not import over stubs: {last}")
    inventory: Mapping[str, Any] = json.loads(done.stdout)
    return inventory
