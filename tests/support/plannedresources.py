"""TensorRTEngines and BuildPools to plan with, as a user writes them."""

from typing import Any


def engine(*targets: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "TensorRTEngine",
        "metadata": {"name": "resnet", "namespace": "vision", "generation": 1},
        "spec": {
            "model": {"name": "resnet", "version": "v1", "source": {"uri": "s3://models/resnet.onnx"}},
            "precision": "fp16",
            "targets": list(targets) or [{"gpuArch": "sm_89"}],
            **spec,
        },
    }


def pool(name: str, version: str = "10.13.2.6", flavor: str = "TensorRT", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "BuildPool",
        "metadata": {"name": name},
        "spec": {
            "runtimes": [{"flavor": flavor, "version": version, "image": "registry.example.com/b:1"}],
            **(spec or {"gpu": {"arch": "sm_89", "product": "NVIDIA-L4"}}),
        },
    }


L4 = pool("l4")
CPU = pool("cpu", "1.7.1.116", "TensorRTRTX", aheadOfTime={"archs": ["sm_75", "sm_86", "sm_89"]})
OLD = pool("old", "8.6.1.6")
