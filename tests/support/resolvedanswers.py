"""The gateway's answer to a fetcher, as a document; the gateway's tests hold its code to this one."""

from dataclasses import replace
from typing import Any

from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.engine.manifest import Manifest

STORE = "https://store.example.com/engines"


def resolved(name: str, gpu: NodeGpu, manifest: Manifest) -> dict[str, Any]:
    """Return what the gateway answers to who asks for the engine ``name`` on ``gpu``."""
    return {
        "name": name,
        "identity": manifest.identity,
        "gpu": {"arch": gpu.arch, "product": gpu.exact_product},
        "file_name": manifest.engine.key.rpartition("/")[2],
        "url": f"{STORE}/{name}.trt",
        "size": manifest.engine.size,
        "sha256": manifest.engine.sha256,
        "manifest": replace(manifest, build=manifest.build.for_loading()).to_json(),
    }
