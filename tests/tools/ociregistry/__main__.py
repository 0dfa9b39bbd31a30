"""``python -m ociregistry build``: build the registry, if it is not there, and print where it is."""

from __future__ import annotations

from build_command import run
from ociregistry.paths import SOURCES, program
from promtool.building import compiled

if __name__ == "__main__":
    run("ociregistry", __doc__, lambda: compiled(".", SOURCES, program()))
