"""
The workloads that own pods, read when a rollout may be due, and the one annotation that starts it.

They are not watched: a cluster has many, and few of them ask for rollouts. A budget of its own keeps what is
read here from delaying builds.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from ignition_hub.compatibility.served_pods import Standing
from ignition_hub.controller.policy.workloads import KINDS, ServedPod, Workload, is_of_template
from ignition_hub.engine.names import ANNOTATION_ROLLED, ROLLOUT_MANAGER
from ignition_hub.kube import (
    DAEMON_SETS,
    DEPLOYMENTS,
    REPLICA_SETS,
    ROLLOUTS,
    STATEFUL_SETS,
    Kube,
    Object,
    Resource,
)

OWNERS: Mapping[tuple[str, str], Resource] = {
    (each.api_version, each.kind): each
    for each in (DEPLOYMENTS, STATEFUL_SETS, DAEMON_SETS, REPLICA_SETS, ROLLOUTS)
}
"""What is read of a pod's owners; the pods of all others are left alone."""

Uid = str


class Workloads:
    """Reads workloads and has their pods restarted."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube

    async def of(self, pods: Sequence[tuple[Object, Standing]]) -> list[Workload]:
        """Return the workloads of these pods of one namespace; of each object is asked once."""
        seen: dict[Uid, Object | None] = {}
        bodies: dict[Uid, Object] = {}
        found: defaultdict[Uid, list[ServedPod]] = defaultdict(list)
        for pod, standing in pods:
            owner = await self._owner(pod, seen)
            if owner is None:
                continue
            workload = await self._owner(owner, seen) if owner["kind"] == REPLICA_SETS.kind else owner
            if workload is not None and workload["kind"] in KINDS:
                uid = workload["metadata"]["uid"]
                bodies[uid] = workload
                found[uid].append(ServedPod(standing, is_of_template(pod, owner, workload)))
        return [Workload(bodies[uid], tuple(served)) for uid, served in found.items()]

    async def restart(self, workload: Workload, at: str) -> None:
        """
        Have the pods of a workload replaced, as ``kubectl rollout restart`` does; ``at`` is RFC 3339.

        ``Conflict`` when it changed since it was read.
        """
        metadata = workload.body["metadata"]
        template = {"metadata": {"annotations": {ANNOTATION_ROLLED: at}}}
        body: dict[str, Any] = {
            "metadata": {name: metadata[name] for name in ("name", "namespace", "resourceVersion")},
            "spec": {"template": template},
        }
        resource = OWNERS[workload.body["apiVersion"], workload.kind]
        await self._kube.apply(resource, workload.name, body, ROLLOUT_MANAGER, metadata["namespace"])

    async def _owner(self, body: Object, seen: dict[Uid, Object | None]) -> Object | None:
        """Return the controller of an object, of a kind that is known here; None when there is none."""
        owners = body["metadata"].get("ownerReferences") or ()
        reference = next((one for one in owners if one.get("controller")), None)
        resource = OWNERS.get((reference["apiVersion"], reference["kind"])) if reference else None
        if reference is None or resource is None:
            return None
        uid = reference["uid"]
        if uid not in seen:
            owner = await self._kube.get(resource, reference["name"], body["metadata"]["namespace"])
            seen[uid] = owner if owner and owner["metadata"]["uid"] == uid else None
        return seen[uid]
