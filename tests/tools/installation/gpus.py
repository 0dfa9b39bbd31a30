"""Which nodes have a GPU that the demo's engines can be compiled for, told by the product's own reading."""

from ignition_hub.compatibility.gpus import node_gpu
from ignition_hub.compatibility.support_matrix import RTX_ARCHS
from installation.kubectl import Kubectl


def gpu_nodes(kubectl: Kubectl) -> dict[str, str]:
    """Return node name to architecture, for nodes whose GPU TensorRT-RTX compiles for."""
    found = {}
    for node in kubectl.list("nodes"):
        gpu = node_gpu(node["metadata"].get("labels", {}))
        if gpu is not None and gpu.arch in RTX_ARCHS:
            found[node["metadata"]["name"]] = gpu.arch
    return found


def arch_of(kubectl: Kubectl, node: str) -> str:
    """Return the architecture of a node's GPU."""
    return gpu_nodes(kubectl)[node]
