"""
The lean runtime that TensorRT embeds in version compatible engines: is its library installed?

It is a library of its own beside ``libnvinfer``, and not every package brings it: the wheel of 8.6.0 has
none, and TensorRT says so only while it builds (run on 8.6.0: ``Unable to load library:
libnvinfer_lean.so.8.6.0``).
"""

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ignition_builder.options import BuildOptions
from ignition_hub.compatibility.support_matrix import dotted, parse_version
from ignition_hub.engine.errors import Reason, RequestError

FIELD = "options.versionCompatible"
MAPS = Path("/proc/self/maps")


def require_lean_runtime(trt: Any, version: str, options: BuildOptions) -> None:
    """Raise RequestError (UnsupportedOption) when the engine is to embed a lean runtime and there is none."""
    embeds = options.version_compatible and not options.exclude_lean_runtime
    if embeds and lean_runtime(trt) is None:
        raise RequestError(
            Reason.UnsupportedOption,
            f"{FIELD}: the engine would embed a lean runtime, and this builder has no "
            f"{_names(version)[0]} beside TensorRT {version}",
            f"set {FIELD}.excludeLeanRuntime: true (this TensorRT loads the engine as it is, another one "
            "through libnvinfer_lean of this), or use an image that holds libnvinfer_lean",
        )


def lean_runtime(trt: Any) -> Path | None:
    """Return the lean runtime that ``trt``, NVIDIA's module, would embed; None when there is none."""
    names = _names(str(trt.__version__))
    beside = (folder / name for folder in _folders(trt) for name in names)
    return next((path for path in beside if path.exists()), None) or _found_by_the_loader(names)


def _names(version: str) -> tuple[str, ...]:
    # 8.6.0 asks for the name with three numbers (run); packages give one number too (NVIDIA's Debian ones).
    numbers = parse_version(version)
    return tuple(f"libnvinfer_lean.so.{dotted(numbers[:count])}" for count in (3, 1))


def _folders(trt: Any) -> Iterator[Path]:
    """Give the folders of the module and of the library that it is linked to."""
    if where := getattr(trt, "__file__", None):
        yield Path(where).parent
    for line in MAPS.read_text().splitlines():
        path = Path(line.partition("/")[1] + line.partition("/")[2])
        if path.name.startswith("libnvinfer.so"):
            yield path.parent


def _found_by_the_loader(names: tuple[str, ...]) -> Path | None:
    for name in names:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return Path(name)
    return None
