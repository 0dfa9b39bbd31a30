"""
Nodes as NVIDIA's components label them: the labels, the capacity and the devices of 47 situations.

``gpusituations.json`` was made by running GPU Feature Discovery and the device plugin v0.20.0 and the DRA
driver v0.4.1 over simulated GPUs, and reduced to what somebody could read there. A node whose labels change
from pass to pass has several ``nodes``. Those that begin with ``cloud-`` alone are no run: they are what
managed clusters without feature discovery show.
"""

import json
from pathlib import Path
from typing import Any

SITUATIONS: dict[str, dict[str, Any]] = json.loads(
    Path(__file__).with_suffix(".json").read_text(encoding="utf-8")
)


def labels_of(name: str, index: int = 0) -> dict[str, str]:
    """Return the labels of a situation's node."""
    return dict(SITUATIONS[name]["nodes"][index]["labels"])


def node_of(name: str, index: int = 0) -> dict[str, Any]:
    """Return a situation's node as the API server would."""
    node = SITUATIONS[name]["nodes"][index]
    return {
        "metadata": {"name": "gpu-node", "labels": dict(node["labels"])},
        "status": {"capacity": dict(node["capacity"])},
    }


def slices_of(name: str) -> list[dict[str, Any]]:
    """Return the ResourceSlices of a situation, as ``resource.k8s.io/v1`` has them: one device in each."""
    return [
        {
            "metadata": {"name": f"gpu-node-{index}", "resourceVersion": "5"},
            "spec": {
                "driver": "gpu.nvidia.com",
                "nodeName": "gpu-node",
                "pool": {"name": "gpu-node", "generation": 1, "resourceSliceCount": 1},
                "devices": [_device(device)],
            },
        }
        for index, device in enumerate(SITUATIONS[name]["devices"])
    ]


def _device(device: dict[str, Any]) -> dict[str, Any]:
    return {**device, "capacity": {name: {"value": value} for name, value in device["capacity"].items()}}
