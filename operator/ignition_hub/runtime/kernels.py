"""
What TensorRT-RTX compiles when an engine first runs, kept in a file for the next process.

TensorRT-RTX finishes its kernels on the GPU it runs on. NVIDIA's runtime cache holds them; it is taken back
only on the same product, by the same release, under a driver of the same major version that is not older
(read from the bindings of 1.7.1). So pods of one pool can share one file. It is code, as an engine is:
whoever can write it runs code in the process that reads it.
"""

import logging
import os
import tempfile
from pathlib import Path
from typing import Any

from ignition_hub.runtime.loading import LoadedEngine

log = logging.getLogger(__name__)


class KernelCache:
    """
    The kernels of every TensorRT-RTX engine of a process, in the file ``path``.

    Make contexts with ``context`` and, once the engines have run, ``save``. Engines of TensorRT compile
    nothing and get a plain context.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._cache: Any = None

    def context(self, loaded: LoadedEngine) -> Any:
        """Return an execution context of ``loaded`` that uses the kernels; needs a current CUDA context."""
        configure = getattr(loaded.engine, "create_runtime_config", None)
        if configure is None or not hasattr(config := configure(), "create_runtime_cache"):
            return loaded.engine.create_execution_context()
        if self._cache is None:
            self._cache = self._filled(config.create_runtime_cache())
        if not config.set_runtime_cache(self._cache):
            log.warning("%s: TensorRT-RTX did not accept the kernel cache %s", loaded.alias, self.path)
        return loaded.engine.create_execution_context(config)

    def save(self) -> None:
        """Write the kernels, whole or not at all; OSError when the file cannot be written."""
        if self._cache is None:
            return
        folder = self.path.parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=f".{self.path.name}.", delete=False) as file:
            beside = Path(file.name)
            try:
                file.write(memoryview(self._cache.serialize()))
                file.flush()
                os.fsync(file.fileno())
                beside.replace(self.path)
            finally:
                beside.unlink(missing_ok=True)

    def _filled(self, cache: Any) -> Any:
        """Fill a cache from the file; one that is missing or of another machine leaves it empty."""
        try:
            kernels = self.path.read_bytes()
        except FileNotFoundError:
            return cache
        except OSError as error:
            log.warning(
                "the kernels in %s cannot be read (%s); compiling them again", self.path, error.strerror
            )
            return cache
        if not cache.deserialize(kernels):
            log.warning(
                "the kernels in %s are for another GPU, driver or release; compiling them again", self.path
            )
        return cache
