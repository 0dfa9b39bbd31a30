"""Where promtool of the version in ``go/go.mod`` is, once it is built."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

SOURCES = Path(__file__).parent / "go"
TAGS = "remove_all_sd"
"""Prometheus' own tag: without the clients of clouds, half of the packages."""


def program() -> Path:
    """Return where promtool of this very module is, or will be: in the user's cache folder."""
    digest = hashlib.sha256(TAGS.encode())
    for name in ("go.mod", "go.sum"):
        digest.update((SOURCES / name).read_bytes())
    return cache_folder("promtool") / digest.hexdigest()[:12] / "promtool"


def cache_folder(tool: str) -> Path:
    """Return where a tool of the tests keeps what it built: in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ignition-hub" / tool
