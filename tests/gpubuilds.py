"""Builds on the GPU of this machine, with the TensorRT that is installed: what the GPU tests share."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ignition_builder.backend import load_backend
from ignition_builder.building import Built, build
from ignition_builder.work import TimingCacheTask
from ignition_hub.device import DeviceFacts
from ignition_hub.engine.identity import PRODUCT, SAME_COMPUTE_CAPABILITY, TENSORRT_RTX, identity_of
from ignition_hub.engine.naming import engine_file_name
from ignition_hub.engine.request import BuildRequest
from smallmodels import request_for, saved

TIMEOUT_SECONDS = 600


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

    def request(
        self,
        precision: str = "fp32",
        *,
        compatibility: str | None = None,
        arch: str | None = None,
        **asked: Any,
    ) -> BuildRequest:
        """A request for this GPU: its product, or for TensorRT-RTX its architecture."""
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
        **asked: Any,
    ) -> Built:
        """Build ``model`` in a folder of its own."""
        folder = self.folder / f"build-{len(list(self.folder.iterdir()))}"
        folder.mkdir()
        request, path = self.request(precision, **asked), saved(model, folder)
        return build(request, path, folder, lambda *_: None, timing_cache=timing_cache)


def gates(**more: Any) -> Mapping[str, Any]:
    """The accuracy gate with the tolerance of NVIDIA's fp16 sample, and a short benchmark."""
    return {
        "accuracy": {"against": "onnxruntime", "rtol": 5e-3, "atol": 5e-3},
        "benchmark": {"seconds": 0.5},
        **more,
    }
