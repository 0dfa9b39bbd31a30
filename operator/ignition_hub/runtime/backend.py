"""
What loading needs from TensorRT; NVIDIA's modules are behind this seam and are imported when first needed.
"""

import importlib
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from ignition_hub.compatibility.support_matrix import OLDEST, dotted, parse_version
from ignition_hub.device import device
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import TENSORRT, TENSORRT_RTX
from ignition_hub.runtime.errors import EngineRefused

MODULES: Mapping[str, tuple[str, ...]] = {
    TENSORRT: ("tensorrt", "tensorrt_lean"),
    TENSORRT_RTX: ("tensorrt_rtx",),
}
"""The Python modules that can load engines of a flavor, the best first; the lean one runs version compatible
engines only."""

KEPT_MESSAGES = 50


class RuntimeBackend(Protocol):
    """One flavor of TensorRT in this process."""

    flavor: str
    version: str
    trt: Any
    """The Python module."""

    def deserialize(
        self, plan: memoryview, *, host_code: bool, lean_runtime: Path | None
    ) -> tuple[Any | None, tuple[str, ...]]:
        """Return the engine, None when TensorRT refused, and what it logged as warnings or errors."""


Backends = Callable[[str], RuntimeBackend]


@cache
def open_backend(flavor: str) -> RuntimeBackend:
    """Return the backend of ``flavor``; EngineRefused (WrongTensorRT) when no module of it is installed."""
    for name in MODULES[flavor]:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        return _known(TensorRTRuntime(flavor, module))
    names = " or ".join(MODULES[flavor])
    raise EngineRefused(
        Reason.WrongTensorRT,
        f"Python module {names}, which loads {flavor} engines, is not installed",
        f"install the release of {MODULES[flavor][0]} that the engine was built with",
    )


def _known(backend: "TensorRTRuntime") -> RuntimeBackend:
    if backend.flavor == TENSORRT and parse_version(backend.version) < OLDEST:
        raise EngineRefused(
            Reason.WrongTensorRT,
            f"this process has TensorRT {backend.version}, which does not address tensors by name",
            f"install TensorRT {dotted(OLDEST)} or newer: the release that the engine was built with",
        )
    return backend


class TensorRTRuntime:
    """NVIDIA's module ``trt``. Loads come one after another: its logger is one for the whole process."""

    def __init__(self, flavor: str, trt: Any) -> None:
        self.flavor = flavor
        self.trt = trt
        self.version = str(trt.__version__)
        self._heard: list[str] = []
        self._lock = threading.Lock()
        self._runtime: Any = None

    def deserialize(
        self, plan: memoryview, *, host_code: bool, lean_runtime: Path | None
    ) -> tuple[Any | None, tuple[str, ...]]:
        """Return the engine, None when TensorRT refused, and what it logged as warnings or errors."""
        with self._lock:
            self._heard.clear()
            runtime = self._lean(lean_runtime) if lean_runtime else self._own()
            if runtime is None:
                return None, tuple(self._heard)
            if hasattr(runtime, "engine_host_code_allowed"):
                # TensorRT 8.5 has no engines with host code.
                runtime.engine_host_code_allowed = host_code
            return runtime.deserialize_cuda_engine(plan), tuple(self._heard)

    def _own(self) -> Any:
        if self._runtime is None:
            # Without a driver TensorRT 11.4 gives a runtime whose next call crashes the process.
            device()
            self._runtime = self.trt.Runtime(_logger(self.trt, self._heard))
        return self._runtime

    def _lean(self, library: Path) -> Any:
        runtime = self._own()
        return runtime.load_runtime(str(library)) if hasattr(runtime, "load_runtime") else None


def _logger(trt: Any, heard: list[str]) -> Any:
    """Return a logger that keeps the last warnings and errors; nothing may leave a callback of NVIDIA's."""

    class Listener(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, text: str) -> None:
            if severity in loud and len(heard) < KEPT_MESSAGES:
                heard.append(text)

    loud = (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR, trt.ILogger.Severity.WARNING)
    return Listener()
