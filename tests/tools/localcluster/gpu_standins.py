"""
STAND-INS for NVIDIA's device plugin and DRA driver on a node of a local cluster: no GPU is behind them.

They are programs of ``go/gpustandins``, made with the kubelet's own libraries. The kubelet and the scheduler
are real, so what a pod is given was really allocated.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from localcluster.cluster import Cluster
from localcluster.starting import node_folder

PROGRAM = "gpu-standins"
_END_SECONDS = 10.0


@contextmanager
def device_plugin(cluster: Cluster, node: str, devices: Mapping[str, int]) -> Iterator[None]:
    """Have a node advertise so many devices of each resource, such as ``nvidia.com/mig-1g.5gb``."""
    pairs = [f"{resource}={count}" for resource, count in devices.items()]
    with _running(cluster, node, "device-plugin", ["plugin", *pairs]):
        yield


@contextmanager
def dra_driver(cluster: Cluster, node: str, devices: Sequence[Mapping[str, Any]]) -> Iterator[None]:
    """Publish devices, as ``spec.devices`` of a ResourceSlice has them, and serve claims to them."""
    file = node_folder(cluster.folder, node) / "devices.json"
    file.write_text(json.dumps(list(devices)))
    arguments = ["driver", str(cluster.kubeconfig), node, str(file)]
    with _running(cluster, node, "dra-driver", arguments):
        yield


@contextmanager
def _running(cluster: Cluster, node: str, name: str, arguments: Sequence[str]) -> Iterator[None]:
    command = cluster.node_command(node, [PROGRAM, *arguments])
    log = node_folder(cluster.folder, node) / f"{name}.log"
    with (
        log.open("ab") as output,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output, stderr=output) as process,
    ):
        try:
            yield
        finally:
            process.communicate(timeout=_END_SECONDS)  # ends its standard input, and so the program
