"""
The nodes a cluster may have and the GPU labels they carry, as NVIDIA's GPU Feature Discovery would set them.

There is no GPU behind the labels: see ``fake_gpus``.
"""

from __future__ import annotations

from dataclasses import dataclass

from localcluster.errors import LocalClusterError


@dataclass(frozen=True, slots=True)
class NodeModel:
    """One kind of GPU node."""

    name: str
    product: str
    family: str
    compute: tuple[int, int]
    """Compute capability."""
    memory: int
    """GPU memory in MiB."""
    extra: tuple[tuple[str, str], ...] = ()
    """Labels beyond those of GPU Feature Discovery."""


NODE_MODELS: tuple[NodeModel, ...] = (
    NodeModel(
        name="gpu-l4",
        product="NVIDIA-L4",
        family="ada-lovelace",
        compute=(8, 9),
        memory=23034,
        extra=(("ignitionhub.io/ahead-of-time-builder", "true"),),
    ),
    NodeModel(name="gpu-a10", product="NVIDIA-A10", family="ampere", compute=(8, 6), memory=23028),
)

_DRIVER = ("570", "124", "06")
_CUDA_RUNTIME = ("12", "8")


def node_models(count: int) -> tuple[NodeModel, ...]:
    """
    The first ``count`` nodes.

    Raises:
        LocalClusterError: there are not so many.
    """
    if not 1 <= count <= len(NODE_MODELS):
        names = ", ".join(model.name for model in NODE_MODELS)
        raise LocalClusterError(f"nodes: {count} is not between 1 and {len(NODE_MODELS)} ({names})")
    return NODE_MODELS[:count]


def gpu_labels(model: NodeModel) -> dict[str, str]:
    """All labels of a node that has one such GPU."""
    labels = {
        "gpu.present": "true",
        "gpu.count": "1",
        "gpu.replicas": "1",
        "gpu.sharing-strategy": "none",
        "gpu.mode": "compute",
        "gpu.product": model.product,
        "gpu.family": model.family,
        "gpu.compute.major": str(model.compute[0]),
        "gpu.compute.minor": str(model.compute[1]),
        "gpu.memory": str(model.memory),
        "mig.capable": "false",
        "mig.strategy": "none",
        "cuda.driver-version.full": ".".join(_DRIVER),
        "cuda.driver-version.major": _DRIVER[0],
        "cuda.driver-version.minor": _DRIVER[1],
        "cuda.driver-version.revision": _DRIVER[2],
        "cuda.runtime-version.full": ".".join(_CUDA_RUNTIME),
        "cuda.runtime-version.major": _CUDA_RUNTIME[0],
        "cuda.runtime-version.minor": _CUDA_RUNTIME[1],
    }
    return {**{f"nvidia.com/{key}": value for key, value in labels.items()}, **dict(model.extra)}
