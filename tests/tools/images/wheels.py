"""
Download the pinned packages for the image's Python, which need not be the one that runs here.

Hashes are checked while downloading. Packages that are published as source only (TensorRT's are empty
shells that name others) become wheels at once, so that the image needs neither network nor compiler.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.requirements import Requirement

from images.errors import ImagesError
from images.recipe import PLATFORMS, PYTHON_VERSION
from images.report import run, step

_TARGET = {
    "implementation_name": "cpython",
    "os_name": "posix",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": f"{PYTHON_VERSION}.0",
    "python_version": PYTHON_VERSION,
    "sys_platform": "linux",
}


def ensure_wheels(pins: Path, folder: Path) -> Path:
    """Return the folder with the wheels of a pinned set, and ``requirements.txt`` that lists them."""
    kept = pins_for_image(pins.read_text(encoding="utf-8"))
    key = hashlib.sha256(f"{PYTHON_VERSION}{PLATFORMS}{kept}".encode()).hexdigest()[:12]
    wheelhouse = folder / f"{pins.stem}-{key}"
    if wheelhouse.exists():
        return wheelhouse
    with step(f"wheels of {pins.name}"):
        unfinished = wheelhouse.with_suffix(".part")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        _download(kept, unfinished)
        unfinished.rename(wheelhouse)
    return wheelhouse


def pins_for_image(text: str) -> str:
    """
    The pins that hold in the image, without their markers.

    pip evaluates markers for the Python it runs on, even when it downloads for another.
    """
    joined = re.sub(r"\\\n\s*", " ", text)
    lines = [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    kept = []
    for line in lines:
        specifier, *hashes = re.split(r"\s+(?=--hash=)", line.strip())
        requirement = Requirement(specifier)
        if requirement.marker is None or requirement.marker.evaluate(_TARGET):
            kept.append(" ".join([f"{requirement.name}{requirement.specifier}", *hashes]))
    return "\n".join(kept) + "\n"


def _download(kept: str, folder: Path) -> None:
    listed = folder / "requirements.txt"
    listed.write_text(kept, encoding="utf-8")
    pip = [find_pip_python(), "-m", "pip"]
    target = ["--python-version", PYTHON_VERSION, "--implementation", "cp"]
    for platform in PLATFORMS:
        target += ["--platform", platform]
    run(
        [*pip, "download", "--no-deps", "--require-hashes", *target, "--dest", folder, "-r", listed],
        what="downloading wheels",
        remedy="pip must reach a package index; its own settings say which",
        show=lambda line: line.lstrip().startswith("Downloading") and "MB" in line,
    )
    for source in sorted(folder.glob("*.tar.gz")):
        run([*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, source], what=f"packing {source}")
        source.unlink()
    # Checked above; a wheel packed here has a hash of its own.
    listed.write_text(re.sub(r" --hash=\S+", "", kept), encoding="utf-8")


def find_pip_python() -> str:
    """
    A Python that has pip: this one, the one it was made from, or the system's.

    Raises:
        ImagesError: none has.
    """
    for python in (sys.executable, f"{sys.base_prefix}/bin/python3", shutil.which("python3")):
        if python and _has_pip(python):
            return python
    raise ImagesError(
        "no Python with pip was found", remedy="install it, for example: apt-get install python3-pip"
    )


def _has_pip(python: str) -> bool:
    try:
        done = subprocess.run(
            [python, "-m", "pip", "--version"], capture_output=True, check=False, timeout=60
        )
    except OSError:
        return False
    return done.returncode == 0
