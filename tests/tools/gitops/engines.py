"""The programs around the diff engines: built, and asked about one object."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from promtool.building import program_of

SOURCES = Path(__file__).parent / "go"
LONGEST = 120
"""Seconds for one answer."""

Json = dict[str, Any]


def program(name: str) -> Path:
    """Return the program of a module below ``go``, built unless it is there: in the user's cache folder."""
    return program_of(SOURCES / name, "gitops")


def argo_cd_sees_drift(desired: Json, live: Json) -> bool:
    """Ask gitops-engine, which Argo CD compares with, about an object of Git and of the cluster."""
    found: Json = json.loads(_said("argocd", {"desired": desired, "live": live}))
    return bool(found["modified"])


def flux_applies(desired: Json, kubeconfig: Path) -> None:
    """Have Flux' ssa package apply an object."""
    _said("flux", desired, "apply", kubeconfig=kubeconfig)


def flux_sees_drift(desired: Json, kubeconfig: Path) -> bool:
    """Ask Flux' ssa package by a dry run."""
    found: Json = json.loads(_said("flux", desired, "diff", kubeconfig=kubeconfig))
    return bool(found["action"] != "unchanged")


def _said(name: str, question: Json, *words: str, kubeconfig: Path | None = None) -> str:
    environment = {**os.environ, **({"KUBECONFIG": str(kubeconfig)} if kubeconfig else {})}
    done = subprocess.run(
        [str(program(name)), *words],
        input=json.dumps(question),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=LONGEST,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{name}: {done.stderr.strip()}")
    return done.stdout
