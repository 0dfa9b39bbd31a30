"""
Which GPU a pod got, from what watches brought: its node, what it requests, its claims and their devices.

A pod is what its token names, never what it says of itself. What is believed is ``inventory``'s to say; here
its four kinds of object are at hand. Only what the watches have not brought yet is asked for, by name.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignition_hub.compatibility.devices import Allotted, SliceView, allotted, named_devices, slice_view
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.inventory import Belief, believed, node_facts
from ignition_hub.compatibility.pod_request import ClaimedRequest, PodRequest, request_of
from ignition_hub.engine.names import LABEL_INJECT
from ignition_hub.kube import (
    NODES,
    PODS,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
    Kube,
    Object,
    Reflector,
    TokenUser,
    WhereServed,
)

GONE = Belief(gpu=None, doubt="the pod of the token does not exist any more", remedy="the request is retried")


@dataclass(frozen=True, slots=True)
class PodRecord:
    """What is kept of a pod."""

    uid: str
    request: PodRequest


def pod_record(body: Object) -> PodRecord:
    """Return what is kept of a pod: none of its environment, which may hold secrets."""
    return PodRecord(body["metadata"].get("uid") or "", request_of(body))


class OptionalReflector(WhereServed, Reflector[Any]):
    """A kind that the cluster may not serve."""


class SliceViews(WhereServed, Reflector[SliceView | None]):
    """The ResourceSlices of a cluster that serves them, and which of them tell of a pool."""

    def __init__(self, kube: Kube) -> None:
        super().__init__(kube, RESOURCE_SLICES, slice_view)
        self._pools: dict[str, dict[str, SliceView]] = {}

    def of_pool(self, pool: str) -> Collection[SliceView]:
        """Return the slices that tell of the devices of a pool."""
        return self._pools.get(pool, {}).values()

    def _end(self) -> None:
        super()._end()
        self._pools = {}
        for name, view in self.all_in().items():
            self._enter(name, view)

    def _happened(self, event: str, body: Object) -> None:
        name = body["metadata"]["name"]
        if before := self.get(name):
            del self._pools[before.pool][name]
        super()._happened(event, body)
        self._enter(name, self.get(name))

    def _enter(self, name: str, view: SliceView | None) -> None:
        if view is not None:
            self._pools.setdefault(view.pool, {})[name] = view


class GpuViews:
    """Nodes, pods that ask for engines, and the claims and devices of DRA drivers."""

    def __init__(self, kube: Kube, fresh: Kube) -> None:
        self._fresh = fresh
        self._nodes = Reflector(kube, NODES, node_facts)
        self._pods = Reflector(kube, PODS, pod_record, labels=f"{LABEL_INJECT}=true")
        self._claims = OptionalReflector(kube, RESOURCE_CLAIMS, allotted)
        self._slices = SliceViews(kube)

    @property
    def followed(self) -> Sequence[Reflector[Any]]:
        """What must be followed for as long as the gateway runs."""
        return self._nodes, self._pods, self._claims, self._slices

    async def belief_of(self, user: TokenUser) -> Belief:
        """Return the GPU of the pod that a token is bound to."""
        request = await self._request(user)
        if request is None:
            return GONE
        node = self._nodes.get(user.node_name or "")
        if node is None:
            body = await self._fresh.get(NODES, user.node_name or "")
            node = node_facts(body or {"metadata": {}})
        return believed(node, request, await self._devices(user.namespace or "", request))

    async def _request(self, user: TokenUser) -> PodRequest | None:
        name, namespace = user.pod_name or "", user.namespace or ""
        record = self._pods.get(name, namespace)
        if record is None or record.uid != user.pod_uid:
            # Younger than the watch, or made again under its name; or injected by hand, without the label.
            body = await self._fresh.get(PODS, name, namespace)
            record = pod_record(body) if body else None
        return record.request if record and record.uid == user.pod_uid else None

    async def _devices(self, namespace: str, request: PodRequest) -> Mapping[str, NodeGpu | None]:
        if not request.claims:
            return {}
        given = [
            one for claimed in sorted(request.claims) for one in await self._allotted(namespace, claimed)
        ]
        pools = {one.id.pool for one in given}
        return named_devices(given, [view for pool in pools for view in self._slices.of_pool(pool)])

    async def _allotted(self, namespace: str, claimed: ClaimedRequest) -> list[Allotted]:
        found = self._claims.get(claimed.claim, namespace)
        if not found:
            # Not there yet, or not as it was allocated.
            found = allotted(await self._fresh.get(RESOURCE_CLAIMS, claimed.claim, namespace) or {})
        return [one for one in found if claimed.names(one.request)]
