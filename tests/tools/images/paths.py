"""Where images, wheels and buildah's own storage live: under the user's cache folder."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
"""The checkout; also the build context of the Dockerfiles."""


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME`` or ``~/.cache``, then ``ignition-hub``."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ignition-hub"


def archive_folder() -> Path:
    """Finished images, and one record about each."""
    return cache_folder() / "images"


def wheel_folder() -> Path:
    """Downloaded wheels, one folder for each set of pins."""
    return cache_folder() / "wheels"


def storage_folder() -> Path:
    """buildah's storage: ours alone, so the machine's own images stay as they are."""
    return cache_folder() / "buildah"
