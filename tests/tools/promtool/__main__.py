"""``python -m promtool build``: build promtool, if it is not there, and print where it is."""

from __future__ import annotations

from build_command import run
from promtool.building import build

if __name__ == "__main__":
    run("promtool", __doc__, build)
