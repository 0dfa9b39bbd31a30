"""Where binaries and clusters live: under the user's cache folder, never in the repository."""

from __future__ import annotations

import os
from pathlib import Path

from localcluster.errors import LocalClusterError
from localcluster.recipe import KUBERNETES_VERSION, recipe_hash


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME`` or ``~/.cache``, then ``ignition-hub/localcluster``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ignition-hub" / "localcluster"


def bin_folder() -> Path:
    """Where ``build`` puts the binaries of this very recipe."""
    return cache_folder() / f"{KUBERNETES_VERSION}-{recipe_hash()}" / "bin"


def cluster_folder(name: str) -> Path:
    """State, certificates, logs and container data of one cluster."""
    return cache_folder() / "clusters" / name


def binary(name: str) -> Path:
    """
    The path of one built program.

    Raises:
        LocalClusterError: it has not been built.
    """
    path = bin_folder() / name
    if not path.exists():
        raise LocalClusterError(
            f"{name} is not built: {path} does not exist",
            remedy="build it: PYTHONPATH=tests/tools python3 -m localcluster build",
        )
    return path
