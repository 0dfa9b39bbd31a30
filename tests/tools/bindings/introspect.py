"""
Print what one module of bindings shows, as JSON; run in a process of its own, over stub libraries.

``python introspect.py FOLDER MODULE LIBRARY…``. Nothing is called: the libraries hold no code. Standard
library only, because the process sees nothing but the unpacked wheel.
"""

from __future__ import annotations

import ctypes
import importlib
import json
import re
import sys
import types
from collections.abc import Iterator
from typing import Any

CLASSES = (
    "Builder", "IBuilderConfig", "INetworkDefinition", "IOptimizationProfile", "ITensor", "OnnxParser",
    "OnnxParserRefitter", "ParserError", "Refitter", "Runtime", "ICudaEngine", "IExecutionContext",
    "IHostMemory", "ITimingCache", "IProgressMonitor", "IStreamReader", "IStreamReaderV2",
    "IStreamWriter", "ILogger", "Logger", "ICalibrator", "IInt8Calibrator", "IInt8EntropyCalibrator",
    "IInt8EntropyCalibrator2", "IInt8LegacyCalibrator", "IInt8MinMaxCalibrator", "IAlgorithmSelector",
    "IErrorRecorder", "IPluginRegistry", "EngineInspector", "IRuntimeConfig", "IRuntimeCache",
    "ISerializationConfig", "IGpuAllocator", "TimingCacheKey", "TimingCacheValue",
)  # fmt: skip
"""What a builder or a loader uses."""

_SIGNATURE = re.compile(r"(?:^|\n)(?:\d+\. )?(\w+\([^\n]*)")
_SELF = re.compile(r"\(self(?:: [\w.]+)?(?:, )?")
_QUALIFIED = re.compile(r"\btensorrt(?:_rtx)?(?:_bindings)?\.(?:tensorrt(?:_rtx)?\.)?")
_DEPRECATED = re.compile(r"\[?DEPRECATED\]?(?:[^.\n]*?TensorRT(?:-RTX)? (\d+\.\d+))?", re.IGNORECASE)


def inventory_of(module: Any) -> dict[str, Any]:
    """Return classes, enumerations, functions and values of ``module``, each sorted by name."""
    classes = {name: getattr(module, name) for name in CLASSES if hasattr(module, name)}
    return {
        "version": module.__version__,
        "module": sorted(name for name in vars(module) if name[0] != "_" and not _is_package(module, name)),
        "classes": {name: _members_of(kind) for name, kind in sorted(classes.items())},
        "enums": dict(sorted(_enums_of(module, ""))),
        "deprecated": dict(sorted(_deprecated_in(module))),
    }


def _is_package(module: Any, name: str) -> bool:
    return isinstance(getattr(module, name), types.ModuleType)


def _members_of(kind: type) -> dict[str, dict[str, str]]:
    # Later classes in the order are bases; what a class has itself hides theirs.
    found = {name: value for base in reversed(_own_bases(kind)) for name, value in vars(base).items()}
    public = {name: value for name, value in sorted(found.items()) if _is_of_interest(name)}
    return {
        "properties": {
            name: "rw" if value.fset else "r" for name, value in public.items() if isinstance(value, property)
        },
        "methods": {
            name: _signature(value)
            for name, value in public.items()
            if callable(value) and not _is_type(value)
        },
    }


def _is_of_interest(name: str) -> bool:
    # A network is made by the parser here; nobody adds its layers one by one.
    if name.startswith("add_"):
        return name == "add_optimization_profile"
    return name == "__init__" or name[0] != "_"


def _own_bases(kind: type) -> list[type]:
    return [base for base in kind.__mro__ if base.__name__ not in {"object", "pybind11_object"}]


def _is_type(value: Any) -> bool:
    return isinstance(value, type)


def _signature(method: Any) -> str:
    found = _SIGNATURE.findall(getattr(method, "__doc__", None) or "")
    wanted = [text for text in found if "*args, **kwargs" not in text or len(found) == 1]
    return " | ".join(_QUALIFIED.sub("", _SELF.sub("(", text[text.index("(") :])) for text in wanted)


def _enums_of(holder: Any, prefix: str) -> Iterator[tuple[str, dict[str, int]]]:
    for name, value in vars(holder).items():
        if not _is_type(value) or name.startswith("_"):
            continue
        if hasattr(value, "__members__"):
            yield prefix + name, {member: int(number) for member, number in sorted(value.__members__.items())}
        elif not prefix:
            yield from _enums_of(value, f"{name}.")


def _deprecated_in(module: Any) -> Iterator[tuple[str, str]]:
    for name, enum in vars(module).items():
        if _is_type(enum) and hasattr(enum, "__members__"):
            for member, text in _paragraphs(enum.__doc__ or "", r"\n  (\w+) : "):
                yield from _notice(f"{name}.{member}", text)
    for name in CLASSES:
        kind = getattr(module, name, None)
        for member, text in _paragraphs(getattr(kind, "__doc__", None) or "", r":ivar (\w+):"):
            yield from _notice(f"{name}.{member}", text)
        for member, value in vars(kind).items() if kind is not None else ():
            if not isinstance(value, property) and callable(value) and member[0] != "_":
                yield from _notice(f"{name}.{member}", getattr(value, "__doc__", None) or "")


def _paragraphs(text: str, start: str) -> Iterator[tuple[str, str]]:
    parts = re.split(start, text)
    yield from zip(parts[1::2], parts[2::2], strict=False)


def _notice(name: str, text: str) -> Iterator[tuple[str, str]]:
    found = _DEPRECATED.search(text)
    if found:
        yield name, found[1] or ""


def main(folder: str, module: str, libraries: list[str]) -> None:
    """Load the stubs, import the bindings, print the inventory."""
    for library in libraries:
        ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
    sys.path.insert(0, folder)
    json.dump(inventory_of(importlib.import_module(module)), sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
