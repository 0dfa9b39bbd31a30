"""
The machine a build ran on and its software, as far as it may matter to an engine.
"""

import contextlib
import platform
import re
from pathlib import Path
from typing import Any

L4T_RELEASE = Path("/etc/nv_tegra_release")
"""Where a Jetson keeps its L4T release: ``# R36 (release), REVISION: 4.3, …`` (NVIDIA documentation)."""

_L4T = re.compile(r"R(\d+) \(release\), REVISION: ([0-9.]+)")


def environment(l4t_release: Path = L4T_RELEASE) -> dict[str, Any]:
    """Return operating system, kernel, processor and, on a Jetson, the L4T release; None where unknown."""
    return {
        "os": _os_name(),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "l4t": _l4t(l4t_release),
    }


def _os_name() -> str | None:
    with contextlib.suppress(OSError):
        return platform.freedesktop_os_release().get("PRETTY_NAME")
    return None


def _l4t(path: Path) -> str | None:
    with contextlib.suppress(OSError):
        found = _L4T.search(path.read_text(encoding="ascii", errors="replace"))
        return f"{found[1]}.{found[2]}" if found else None
    return None
