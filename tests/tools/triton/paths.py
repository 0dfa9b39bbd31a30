"""Where Triton's server and schema of the versions in ``requirements/triton.txt`` are, once fetched."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

PINNED = Path(__file__).resolve().parents[3] / "requirements" / "triton.txt"
STAND_IN = Path(__file__).with_name("stand_in.c")


def folder() -> Path:
    """Return the folder of these very versions, in the user's cache folder; it is there when it is whole."""
    digest = hashlib.sha256(PINNED.read_bytes() + STAND_IN.read_bytes()).hexdigest()
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "ignition-hub" / "triton" / digest[:12]


def schema() -> Path:
    """Return the module that protobuf's compiler made of ``model_config.proto``."""
    return folder() / "tritonclient" / "grpc" / "model_config_pb2.py"


def server() -> Path:
    """Return the server's program."""
    return folder() / "pytriton" / "tritonserver" / "bin" / "tritonserver"


def backends() -> Path:
    """Return the folder of the backends, which holds the stand-in alone."""
    return folder() / "backends"
