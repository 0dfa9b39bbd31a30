"""
What the gateway's inventory of GPUs costs: watch events of 5,000 nodes, from bytes to what a pod is believed
to have, against parsing the same bytes.

Nodes are as GPU Feature Discovery and Node Feature Discovery label them and as a kubelet reports them; the
pods of every second one have a claim on a device of a DRA driver. Bar: CPU of the whole at most three times
that of parsing alone. What 1,000 updates take is printed beside it: 50 ms on a core that nothing else uses.
``python tests/bench/bench_gpu_inventory.py [--nodes 5000]``.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from ignition_hub.gateway.cluster.gpus import GpuViews
from ignition_hub.kube import TokenUser
from ignition_hub.kube.documents import document_of

RATIO_BAR = 3.0
PER = 1000
ROUNDS = 5
NAMESPACE = "vision"
SITUATIONS = ("card-a10g", "card-b200", "card-l4", "whole-cards")


def main() -> int:
    """Measure, print, and tell by the exit code whether the bar holds."""
    words = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    words.add_argument("--nodes", type=int, default=5000)
    return asyncio.run(measured(words.parse_args().nodes))


async def measured(nodes: int) -> int:
    views = GpuViews(None, None)  # type: ignore[arg-type]  # everything is at hand: nothing is asked for
    for kind, body in objects(nodes):
        reflector_of(views, kind)._happened("ADDED", body)
    updates = [event(node(number, beat=1)) for number in range(nodes)]
    users = [user_of(number) for number in range(nodes)]
    parsing = parsing_cpu(updates)
    whole = statistics.median([await cpu_of_updates(views, updates, users) for _ in range(ROUNDS)])
    slices = [event(resource_slice(number, generation=2)) for number in range(0, nodes, 2)]
    parsing_slices = parsing_cpu(slices)
    whole_slices = statistics.median([await cpu_of_slices(views, slices) for _ in range(ROUNDS)])
    answers = [await cpu_of_answers(views, users[start::2]) for start in (0, 1)]
    print(f"{nodes} nodes of {len(updates[0])} bytes, {len(slices)} ResourceSlices of {len(slices[0])} bytes")
    fits = shown("node updates, each with an answer", whole, parsing, nodes)
    fits &= shown("updates of ResourceSlices", whole_slices, parsing_slices, len(slices))
    for what, seconds in zip(("with a claim", "by labels"), answers, strict=True):
        print(f"an answer to a pod {what:<32} {seconds * 2 / nodes * 1e6:8.1f} us")
    return 0 if fits else 1


def shown(what: str, whole: float, parsing: float, count: int) -> bool:
    """Print the CPU of ``count`` updates as that of ``PER``; tell whether the bar holds."""
    per, ratio = whole / count * PER, whole / parsing
    print(f"{what:<35} {per * 1e3:8.1f} ms for {PER}, {ratio:.2f} times parsing them (bar {RATIO_BAR:g})")
    return ratio <= RATIO_BAR


async def cpu_of_updates(views: GpuViews, lines: Sequence[bytes], users: Sequence[TokenUser]) -> float:
    """Return the CPU seconds of taking updates of nodes in, each followed by an answer to its pod."""
    started = time.process_time()
    for line, user in zip(lines, users, strict=True):
        happened = document_of(line)
        views._nodes._happened(happened["type"], happened["object"])
        assert (await views.belief_of(user)).gpu is not None
    return time.process_time() - started


async def cpu_of_slices(views: GpuViews, lines: Sequence[bytes]) -> float:
    started = time.process_time()
    for line in lines:
        happened = document_of(line)
        views._slices._happened(happened["type"], happened["object"])
    return time.process_time() - started


async def cpu_of_answers(views: GpuViews, users: Sequence[TokenUser]) -> float:
    started = time.process_time()
    for user in users:
        assert (await views.belief_of(user)).gpu is not None
    return time.process_time() - started


def parsing_cpu(lines: Sequence[bytes]) -> float:
    """Return the CPU seconds of parsing alone; nothing is kept, as of a watch nothing is."""
    seconds = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for line in lines:
            document_of(line)
        seconds.append(time.process_time() - started)
    return statistics.median(seconds)


def reflector_of(views: GpuViews, kind: str) -> Any:
    return {"Node": views._nodes, "Pod": views._pods, "ResourceClaim": views._claims}.get(kind, views._slices)


def objects(nodes: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each node with a pod on it; every second pod has a claim on a device of its node's slice."""
    for number in range(nodes):
        yield "Node", node(number)
        yield "Pod", pod(number)
        if number % 2 == 0:
            yield "ResourceClaim", claim(number)
            yield "ResourceSlice", resource_slice(number)


def event(body: dict[str, Any]) -> bytes:
    return json.dumps({"type": "MODIFIED", "object": body}).encode()


def metadata(name: str, **more: Any) -> dict[str, Any]:
    """Return metadata with what the API server adds to every object."""
    owned = {f"f:{field}": {".": {}, "f:value": {}} for field in ("labels", "annotations", "status", "spec")}
    managed = [
        {
            "manager": manager,
            "operation": "Update",
            "apiVersion": "v1",
            "fieldsType": "FieldsV1",
            "fieldsV1": owned,
        }
        for manager in ("kubelet", "nfd-master", "kube-controller-manager")
    ]
    return {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "managedFields": managed, **more}


def node(number: int, *, beat: int = 0) -> dict[str, Any]:
    """Return a node as a watch brings it."""
    situations = json.loads((Path(__file__).parents[1] / "support" / "gpusituations.json").read_text())
    told = situations[SITUATIONS[number % len(SITUATIONS)]]["nodes"][0]
    found = {f"feature.node.kubernetes.io/cpu-cpuid.FEATURE{one}": "true" for one in range(60)}
    heard = f"2026-01-01T00:{beat:02d}:00Z"
    conditions = [
        {"type": kind, "status": "False", "reason": "Kubelet", "message": "kubelet says so",
         "lastHeartbeatTime": heard, "lastTransitionTime": heard}
        for kind in ("MemoryPressure", "DiskPressure", "PIDPressure", "Ready")
    ]  # fmt: skip
    images = [
        {"names": [f"registry.example.com/team/image-{one}@sha256:{'ab' * 32}"], "sizeBytes": 123456789}
        for one in range(50)
    ]
    capacity = {"cpu": "128", "memory": "1056Gi", "pods": "110", **told["capacity"]}
    return {
        "metadata": metadata(name_of(number), labels={**found, **told["labels"]}),
        "spec": {"podCIDR": "10.0.0.0/24", "providerID": f"cloud:///{number}"},
        "status": {
            "capacity": capacity, "allocatable": capacity, "conditions": conditions, "images": images,
            "nodeInfo": {"architecture": "amd64", "kernelVersion": "6.8.0", "osImage": "Ubuntu 24.04"},
        },
    }  # fmt: skip


def name_of(number: int) -> str:
    return f"node-{number:05d}"


def pod(number: int) -> dict[str, Any]:
    name = f"pod-{number:05d}"
    body = {"metadata": metadata(name, namespace=NAMESPACE), "spec": {"containers": [{"name": "server"}]}}
    container = body["spec"]["containers"][0]
    if number % 2:
        container["resources"] = {"limits": {"nvidia.com/gpu": "1"}}
        return body
    container["resources"] = {"claims": [{"name": "gpu"}]}
    body["spec"]["resourceClaims"] = [{"name": "gpu", "resourceClaimName": f"claim-{number:05d}"}]
    return body


def claim(number: int) -> dict[str, Any]:
    given = {"request": "gpu", "driver": "gpu.nvidia.com", "pool": name_of(number), "device": "gpu-0"}
    return {
        "metadata": metadata(f"claim-{number:05d}", namespace=NAMESPACE),
        "status": {"allocation": {"devices": {"results": [given]}}},
    }


def resource_slice(number: int, *, generation: int = 1) -> dict[str, Any]:
    """Return what NVIDIA's driver publishes of a node with eight cards."""
    attributes = {
        "architecture": {"string": "Ada"}, "cudaComputeCapability": {"version": "8.9.0"},
        "driverVersion": {"version": "580.95.5"}, "productName": {"string": "NVIDIA L4"},
        "type": {"string": "gpu"}, "uuid": {"string": "GPU-00000000-0000-0000-0000-000000000000"},
    }  # fmt: skip
    devices = [
        {"name": f"gpu-{one}", "attributes": attributes, "capacity": {"memory": {"value": "23034Mi"}}}
        for one in range(8)
    ]
    pool = {"name": name_of(number), "generation": generation, "resourceSliceCount": 1}
    return {
        "metadata": metadata(f"{name_of(number)}-gpu"),
        "spec": {"driver": "gpu.nvidia.com", "nodeName": name_of(number), "pool": pool, "devices": devices},
    }


def user_of(number: int) -> TokenUser:
    name = f"pod-{number:05d}"
    return TokenUser(
        username="system:serviceaccount:vision:default",
        uid="u",
        groups=(),
        extra={},
        namespace=NAMESPACE,
        service_account="default",
        pod_name=name,
        pod_uid=f"uid-{name}",
        node_name=name_of(number),
    )


if __name__ == "__main__":
    sys.exit(main())
