"""Where the registry of the version in ``go/go.mod`` is, once it is built."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

SOURCES = Path(__file__).parent / "go"


def program() -> Path:
    """Return where the registry of this very module is, or will be: in the user's cache folder."""
    digest = hashlib.sha256()
    for name in ("go.mod", "go.sum", "main.go"):
        digest.update((SOURCES / name).read_bytes())
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ignition-hub" / "ociregistry" / digest.hexdigest()[:12] / "registry"
