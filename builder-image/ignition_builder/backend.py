"""
What a build needs from one flavor of TensorRT; everything product-specific is behind this seam.

The module is imported only when a backend is opened: the parent process never loads NVIDIA's libraries.
"""

import importlib
from typing import Any, Protocol

from ignition_builder.options import Options
from ignition_hub.engine.errors import NodeError, Reason
from ignition_hub.engine.identity import TENSORRT_RTX, EngineInputs


class Backend(Protocol):
    """One flavor of TensorRT as found on this machine."""

    flavor: str
    trt: Any
    """The Python module."""

    @property
    def version(self) -> str:
        """The full version, such as ``1.7.1.116``."""

    @property
    def cuda_version(self) -> str | None:
        """The CUDA release the libraries belong to; None when nothing says it."""

    def check(self, inputs: EngineInputs, options: Options) -> None:
        """Raise RequestError or NodeError for what this product or this machine cannot do."""

    def network_flags(self) -> int:
        """Return the bits for ``create_network``: strongly typed, explicit batch."""

    def aim(self, config: Any, inputs: EngineInputs) -> None:
        """Set the target GPU in a builder configuration and read it back."""


_BACKENDS = {TENSORRT_RTX: ("ignition_builder.rtx", "Rtx")}


def load_backend(flavor: str) -> Backend:
    """Return the backend of ``flavor``; ImportError when this image does not hold it."""
    if flavor not in _BACKENDS:
        raise ImportError(f"this image has no backend for {flavor}")
    module, name = _BACKENDS[flavor]
    backend: Backend = getattr(importlib.import_module(module), name)()
    return backend


def open_backend(inputs: EngineInputs) -> Backend:
    """Return the wanted backend; NodeError (WrongTensorRT) when its flavor or version is not here."""
    try:
        backend = load_backend(inputs.flavor)
    except ImportError as error:
        raise _wrong(inputs, str(error)) from error
    if backend.version != inputs.tensorrt_version:
        raise _wrong(inputs, f"this image holds {backend.flavor} {backend.version}")
    return backend


def _wrong(inputs: EngineInputs, why: str) -> NodeError:
    return NodeError(
        Reason.WrongTensorRT,
        f"{inputs.flavor} {inputs.tensorrt_version} was asked for; {why}",
        "correct the runtimes of the BuildPool: version and image must agree",
    )
