"""TensorRTEngines as the API server returns them, for tests of the catalog."""

from __future__ import annotations

from typing import Any

READY: dict[str, Any] = {
    "name": "nvidia-l4",
    "state": "Ready",
    "reason": "EnginePublished",
    "message": "52428800 bytes",
    "gpuArch": "sm_89",
    "product": "NVIDIA-L4",
    "compatibility": "Product",
    "tensorrt": {"flavor": "TensorRT", "version": "10.13.2.6"},
    "pool": "l4",
    "tier": "Native",
    "source": "Built",
    "uri": "s3://engines/ignition/engines/arcface_r100/0a/0b/arcface_r100.trt",
    "sha256": "5e" * 32,
    "sizeBytes": 50 * 2**20,
    "builtOn": {"product": "NVIDIA L4", "driver": "570.124", "tensorrt": "10.13.2.6"},
    "buildSeconds": 213.0,
    "accuracy": {"compared": "Engine", "maxAbsolute": 0.0012, "maxRelative": 0.004},
    "benchmark": {"medianMilliseconds": 1.21, "p99Milliseconds": 1.3, "perSecond": 820.5},
    "newest": {"identity": "a" * 64, "sha256": "5e" * 32, "builtAt": "2026-01-01T00:00:00Z"},
}
NOW = 1767484800.0
"""2026-01-04T00:00:00Z: three days after the engine was built."""


def engine(
    *targets: dict[str, Any],
    name: str = "arcface",
    namespace: str = "vision",
    model: str = "arcface_r100",
    version: str = "v1.0",
    observed: int = 2,
) -> dict[str, Any]:
    """Return a TensorRTEngine of generation 2; without ``targets`` its one engine is ready."""
    return {
        "metadata": {"name": name, "namespace": namespace, "generation": 2, "resourceVersion": "5"},
        "spec": {
            "model": {"name": model, "version": version, "source": {"uri": "s3://models/a.onnx"}},
            "precision": "fp16",
            "targets": [{"gpuArch": "sm_89", "product": "NVIDIA-L4", "compatibility": "Product"}],
        },
        "status": {"observedGeneration": observed, "targets": list(targets or (READY,))},
    }


def target(arch: str, state: str = "Ready", **fields: Any) -> dict[str, Any]:
    """Return the status of a target for a whole architecture."""
    return {"name": arch.replace("_", "-"), "state": state, "gpuArch": arch, **fields}
