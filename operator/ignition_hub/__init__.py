"""Ignition Hub: TensorRT engines as a Kubernetes resource."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ignition_hub.library import build_or_load_engine, clear_cache

__all__ = ["__version__", "build_or_load_engine", "clear_cache"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    # Lazy: whoever imports the contract, as every process of the hub does, must not load the library.
    if name in {"build_or_load_engine", "clear_cache"}:
        try:
            return getattr(import_module("ignition_hub.library"), name)
        except ModuleNotFoundError as error:
            raise ImportError(f"{name} needs {error.name}: pip install 'ignition-hub[cli]'") from error
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
