"""
FAKE devices: nodes that say they have ``nvidia.com/gpu: 1`` and have none.

The number is written into the node's status by an administrator; no device plugin stands behind it. The
scheduler counts it as it counts real ones, and a container that asks for one starts but sees no GPU.
"""

from __future__ import annotations

import json

RESOURCE = "nvidia.com/gpu"


def fake_gpu_patch(count: int = 1) -> str:
    """The JSON patch of a node's ``status`` subresource."""
    escaped = RESOURCE.replace("/", "~1")
    return json.dumps(
        [
            {"op": "add", "path": f"/status/{field}/{escaped}", "value": str(count)}
            for field in ("capacity", "allocatable")
        ]
    )
