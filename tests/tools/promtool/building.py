"""Build promtool with the Go toolchain that ``localcluster`` finds or fetches."""

from __future__ import annotations

import hashlib
import subprocess
import tempfile
from pathlib import Path

from localcluster.toolchain import find_go, go_environment
from promtool.paths import SOURCES, TAGS, cache_folder, program

PACKAGE = "github.com/prometheus/prometheus/cmd/promtool"
LONGEST = 3600
"""Seconds; 270 of one core are usual."""


def build() -> Path:
    """Build promtool unless it is there, and return where it is; CalledProcessError when Go fails."""
    return compiled(PACKAGE, SOURCES, program(), tags=TAGS)


def program_of(sources: Path, tool: str) -> Path:
    """Return the program of a Go module of one file, built unless it is in the cache folder of ``tool``."""
    digest = hashlib.sha256()
    for file in ("go.mod", "go.sum", "main.go"):
        digest.update((sources / file).read_bytes())
    return compiled(".", sources, cache_folder(tool) / digest.hexdigest()[:12] / sources.name)


def compiled(package: str, sources: Path, target: Path, *, tags: str = "") -> Path:
    """Compile a package of the Go module in ``sources`` to ``target`` unless it is there; return that."""
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    go = find_go()
    with tempfile.TemporaryDirectory(prefix=".building-", dir=target.parent) as unfinished:
        made = Path(unfinished) / target.name
        flags = ["-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-tags", tags]
        subprocess.run(
            [str(go), "build", *flags, "-o", str(made), package],
            cwd=sources,
            env=go_environment(go),
            check=True,
            timeout=LONGEST,
        )
        made.replace(target)
    return target
