"""Builds on the GPU of this machine, with the TensorRT that is installed: what the GPU tests share."""

import ctypes
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ignition_builder.compiling.backend import load_backend
from ignition_builder.documents import TimingCacheTask
from ignition_builder.pipeline import Built, build
from ignition_hub.compatibility.support_matrix import Version, parse_version
from ignition_hub.device import DeviceFacts
from ignition_hub.engine.identity import PRODUCT, SAME_COMPUTE_CAPABILITY, TENSORRT_RTX, identity_of
from ignition_hub.engine.naming import engine_file_name
from ignition_hub.engine.request import BuildRequest
from smallmodels import request_for, saved

TIMEOUT_SECONDS = 600
OWN_TACTICS = ["EDGE_MASK_CONVOLUTIONS", "JIT_CONVOLUTIONS"]
"""Tactic sources that need no library but TensorRT's own."""


@dataclass(frozen=True, slots=True)
class Bench:
    """One flavor of TensorRT on this machine's GPU; ``folder`` takes models and engines."""

    flavor: str
    version: str
    gpu: DeviceFacts
    folder: Path

    @property
    def trt(self) -> Any:
        """NVIDIA's module."""
        return load_backend(self.flavor).trt

    @property
    def release(self) -> Version:
        """The version as numbers."""
        return parse_version(self.version)

    @property
    def place_of_version(self) -> int:
        """Where in a plan the first part of the version is."""
        return 24 if self.release >= (8, 6) else 28

    @property
    def checks_the_version(self) -> bool:
        """Whether TensorRT itself refuses a plan whose header names another release (8.6.0 does not: run)."""
        return self.release[:3] != (8, 6, 0)

    @property
    def lacks_cublas(self) -> bool:
        """Whether TensorRT 8.5 finds no cuBLAS here, which it uses unless it is told other tactic sources."""
        return self.release < (8, 6) and not _has_cublas()

    def request(
        self,
        precision: str = "fp32",
        *,
        compatibility: str | None = None,
        arch: str | None = None,
        **asked: Any,
    ) -> BuildRequest:
        """A request for this GPU: its product, or for TensorRT-RTX its architecture."""
        if self.lacks_cublas:
            asked["options"] = {"tacticSources": OWN_TACTICS, **asked.get("options", {})}
        plain = request_for(
            precision,
            arch or self.gpu.arch,
            flavor=self.flavor,
            version=self.version,
            timeout_seconds=TIMEOUT_SECONDS,
            **asked,
        )
        level = compatibility or (SAME_COMPUTE_CAPABILITY if self.flavor == TENSORRT_RTX else PRODUCT)
        product = self.gpu.product if level == PRODUCT else None
        inputs = replace(plain.inputs, compatibility=level, product=product)
        return replace(plain, inputs=inputs, identity=identity_of(inputs), name=engine_file_name(inputs))

    def build(
        self,
        model: Any,
        precision: str = "fp32",
        *,
        timing_cache: TimingCacheTask | None = None,
        may_build_again: bool = False,
        **asked: Any,
    ) -> Built:
        """Build ``model`` in a folder of its own; in a process that is kept where it ``may_build_again``."""
        folder = self.folder / f"build-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        request, path = self.request(precision, **asked), saved(model, folder)
        return build(
            request,
            path,
            folder,
            lambda *_: None,
            timing_cache=timing_cache,
            may_build_again=may_build_again,
        )


def _has_cublas() -> bool:
    """Whether cuBLAS of CUDA 11 is here, and no stub of it: TensorRT 8.5 asks it for its version."""
    try:
        return hasattr(ctypes.CDLL("libcublas.so.11"), "cublasGetProperty")
    except OSError:
        return False


_LOAD = """
import importlib, json, sys
from pathlib import Path
trt, said = importlib.import_module(sys.argv[1]), []

class Logger(trt.ILogger):
    def __init__(self):
        trt.ILogger.__init__(self)
    def log(self, severity, message):
        if severity.name in ("ERROR", "INTERNAL_ERROR", "WARNING"):
            said.append(message)

logger = Logger()
runtime = trt.Runtime(logger)
if hasattr(runtime, "engine_host_code_allowed"):
    runtime.engine_host_code_allowed = sys.argv[3] == "True"
engine = runtime.deserialize_cuda_engine(Path(sys.argv[2]).read_bytes())
print(json.dumps([engine is not None, said]))
"""


def loaded(module: str, plan: Path, *, host_code: bool = False) -> tuple[bool, list[str]]:
    """
    Whether ``module`` loads ``plan``, and what it said of it.

    In a process of its own: NVIDIA's logger is one for a process, and the first wins.
    """
    done = subprocess.run(
        [sys.executable, "-c", _LOAD, module, str(plan), str(host_code)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    is_loaded, said = json.loads(done.stdout.splitlines()[-1])
    return is_loaded, said


def damaged(path: Path, *, at: int) -> Path:
    """Flip two bits of a file, in place."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0x03
    path.write_bytes(data)
    return path


def checks(**more: Any) -> Mapping[str, Any]:
    """The accuracy check with the tolerance of NVIDIA's fp16 sample, and a short benchmark."""
    return {
        "accuracy": {"against": "onnxruntime", "rtol": 5e-3, "atol": 5e-3},
        "benchmark": {"seconds": 0.5},
        **more,
    }
