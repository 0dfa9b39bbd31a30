"""What a server is made of, kept in the user's cache folder: made once for each recipe."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from promtool.building import compiled
from promtool.paths import cache_folder

LONGEST = 3600
"""Seconds to make one server; Garage takes the longest, about 1,500 of one core."""


def kept(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """Return the folder that ``make`` fills, filled unless it is there: one for each ``recipe``."""
    target = cache_folder("stores") / f"{name}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=target.parent) as unfinished:
        made = Path(unfinished) / "made"
        made.mkdir()
        make(made)
        made.rename(target)
    return target


def ran(*command: str | Path, cwd: Path | None = None) -> None:
    """Run a package client; FileNotFoundError where it is not installed, CalledProcessError when it fails."""
    subprocess.run([str(word) for word in command], cwd=cwd, check=True, timeout=LONGEST)


def go_tool(package: str, sources: Path) -> Path:
    """Return the program of a ``tool`` of a Go module, built unless it is there."""
    digest = hashlib.sha256(b"".join((sources / file).read_bytes() for file in ("go.mod", "go.sum")))
    return compiled(package, sources, cache_folder("stores") / digest.hexdigest()[:12] / sources.name)


def crate(name: str, version: str, *features: str) -> Path:
    """
    Return the program of a crate, built unless it is there.

    Without optimizations: that halves the time, and what a server does stays the same.
    """
    words = ("cargo", "install", name, "--version", version, "--locked", "--debug", "--no-default-features")
    command = (*words, "--features", ",".join(features))

    def make(folder: Path) -> None:
        ran(*command, "--root", folder, "--target-dir", folder / "target", "--config", "profile.dev.debug=0")
        shutil.rmtree(folder / "target")

    return kept(name, " ".join(command), make) / "bin" / name


def jars(project: Path) -> Path:
    """Return the folder of the jars that a Maven project names, fetched unless it is there."""
    pom = project / "pom.xml"
    fetch = ("mvn", "--batch-mode", "--quiet", "--file", pom, "dependency:copy-dependencies")
    return kept(project.name, pom.read_text(), lambda folder: ran(*fetch, f"-DoutputDirectory={folder}"))


def modules(project: Path) -> Path:
    """Return the folder of an npm project with its locked packages, fetched unless it is there."""

    def make(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(project / name, folder)
        ran("npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", cwd=folder)

    return kept(project.name, (project / "package-lock.json").read_text(), make)


def java(least: int) -> Path:
    """Return a Java of at least this release; FileNotFoundError where the machine has none."""
    for release in sorted(Path("/usr/lib/jvm").glob("*/release")):
        found = re.search(r'JAVA_VERSION="(\d+)', release.read_text())
        if found and int(found[1]) >= least:
            return release.parent / "bin" / "java"
    raise FileNotFoundError(f"no Java of release {least} or newer below /usr/lib/jvm: install one there")
