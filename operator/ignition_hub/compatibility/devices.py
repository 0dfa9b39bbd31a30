"""
The devices of NVIDIA's DRA driver, as ResourceSlices tell of them, and which of them a claim was given.

Pure; facts of the driver v0.4.1 and of ``resource.k8s.io/v1``. A device's product is spelt as a label's, so
that an engine built beside feature discovery serves a pod with a claim.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from ignition_hub.compatibility.gpus import NodeGpu, arch_of_capability
from ignition_hub.compatibility.spelling import product_of, split

DRIVER = "gpu.nvidia.com"
"""The driver whose attributes are known here; it publishes whole cards and MIG slices."""

_UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}
_QUANTITY = re.compile(r"(?P<number>\d+)(?P<unit>Ki|Mi|Gi|Ti|)")


@dataclass(frozen=True, slots=True)
class DeviceId:
    """Where a device is found: ResourceSlices name it within the pool, which a driver names for itself."""

    pool: str
    device: str


@dataclass(frozen=True, slots=True)
class SliceView:
    """The GPUs of one ResourceSlice by name; a later generation of the same pool replaces all before it."""

    pool: str
    generation: int
    gpus: Mapping[str, NodeGpu]


@dataclass(frozen=True, slots=True)
class Allotted:
    """A device that a claim was given, for one of its requests."""

    request: str
    id: DeviceId


def slice_view(body: Mapping[str, Any]) -> SliceView | None:
    """Return the GPUs of a ResourceSlice; None for one of another driver."""
    spec = body["spec"]
    if spec.get("driver") != DRIVER:
        return None
    gpus = {device["name"]: gpu for device in spec.get("devices") or () if (gpu := _gpu(device))}
    pool = spec["pool"]
    return SliceView(pool["name"], pool.get("generation", 0), gpus)


def allotted(claim: Mapping[str, Any]) -> tuple[Allotted, ...]:
    """Return the GPUs that a ResourceClaim was given; empty before it was allocated."""
    allocation = (claim.get("status") or {}).get("allocation") or {}
    results = (allocation.get("devices") or {}).get("results") or ()
    return tuple(
        Allotted(one.get("request", ""), DeviceId(one["pool"], one["device"]))
        for one in results
        if one.get("driver") == DRIVER and not one.get("adminAccess")
    )


def named_devices(
    given: Iterable[Allotted], slices: Collection[SliceView | None]
) -> dict[str, NodeGpu | None]:
    """Return the GPUs of devices by name, with None for one that no slice tells of."""
    return {f"{one.id.device} of pool {one.id.pool}": find(one.id, slices) for one in given}


def find(wanted: DeviceId, slices: Iterable[SliceView | None]) -> NodeGpu | None:
    """Return the GPU of a device as the pool's newest generation tells of it; None when none does."""
    here = [one for one in slices if one is not None and one.pool == wanted.pool]
    newest = max((one.generation for one in here), default=0)
    found = (one.gpus.get(wanted.device) for one in here if one.generation == newest)
    return next((gpu for gpu in found if gpu is not None), None)


def _gpu(device: Mapping[str, Any]) -> NodeGpu | None:
    attributes, capacity = device.get("attributes") or {}, device.get("capacity") or {}
    return _gpu_of(
        _text(attributes, "cudaComputeCapability", "version"),
        _text(attributes, "productName", "string"),
        _text(attributes, "profile", "string"),
        str((capacity.get("memory") or {}).get("value")),
        str((capacity.get("multiprocessors") or {}).get("value")),
    )


# The thousands of devices of a cluster are few different ones.
@lru_cache(maxsize=1024)
def _gpu_of(capability: str, name: str, profile: str, memory: str, multiprocessors: str) -> NodeGpu | None:
    major, minor, *_ = (*capability.split("."), "", "")
    arch = arch_of_capability(major, minor)
    if arch is None:
        return None
    card, cut = split(product_of(name, profile or None))
    return NodeGpu(
        arch=arch,
        product=card or None,
        mig=cut,
        memory_bytes=_bytes(memory),
        multiprocessors=_bytes(multiprocessors),
    )


def _text(attributes: Mapping[str, Any], name: str, kind: str) -> str:
    return str((attributes.get(name) or {}).get(kind) or "")


def _bytes(quantity: str) -> int | None:
    found = _QUANTITY.fullmatch(quantity)
    return int(found["number"]) * _UNITS[found["unit"]] if found else None
