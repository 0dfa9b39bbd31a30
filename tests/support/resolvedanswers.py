"""The gateway's answer to a fetcher, as a document; the gateway's tests hold its code to this one."""

from dataclasses import replace
from typing import Any

from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.selection import PassedOver, Selection

STORE = "https://store.example.com/engines"
SELECTION = Selection(
    target="sm-89",
    gpu="NVIDIA-L4 (sm_89), 23034 MiB",
    told_by="the node's label nvidia.com/gpu.product",
    fit="built for every sm_89",
    passed_over=(PassedOver("l4", "the store has no engine"),),
)


def resolved(name: str, gpu: NodeGpu, manifest: Manifest) -> dict[str, Any]:
    """Return what the gateway answers to who asks for the engine ``name`` on ``gpu``."""
    return {
        "name": name,
        "identity": manifest.identity,
        "gpu": {"arch": gpu.arch, "product": gpu.exact_product, "platform": gpu.platform},
        "selection": SELECTION.to_json(),
        "file_name": manifest.engine.key.rpartition("/")[2],
        "url": f"{STORE}/{name}.trt",
        "size": manifest.engine.size,
        "sha256": manifest.engine.sha256,
        "manifest": replace(manifest, build=manifest.build.for_loading()).to_json(),
    }
