"""
The releases of full TensorRT whose wheels hold the builder and its kernels.

Newer packages are empty shells that download from elsewhere when they are installed. All of these are for
x86-64 and up to CPython 3.10.
"""

from pathlib import Path

from besidetensorrt import OLDEST
from gpupack.errors import PackError
from gpupack.running import ask
from images.paths import cache_folder
from images.wheels import find_pip_python

WHOLE = ("8.5.1.7", "8.5.2.2", "8.5.3.1", "8.6.0")


def wheel_of(version: str) -> Path:
    """Return the wheel of one release, downloading it (up to 820 MB) when it is not in the user's cache."""
    if version not in WHOLE:
        raise PackError(
            f"TensorRT {version} has no wheel with its libraries", remedy=f"use one of {', '.join(WHOLE)}"
        )
    kept = cache_folder() / "tensorrt-wheels" / version
    if not list(kept.glob("*.whl")):
        target = ["--python-version", OLDEST, "--only-binary", ":all:", "--no-deps"]
        pip = [find_pip_python(), "-m", "pip", "download", "--quiet"]
        ask([*pip, *target, "--dest", str(kept), f"tensorrt=={version}"], seconds=3600)
    return next(kept.glob("*.whl"))
