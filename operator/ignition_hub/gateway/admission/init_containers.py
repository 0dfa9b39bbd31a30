"""
The fetcher among a pod's init containers, which run one after the other. Pure.

A pod may have it already: the API server asks again when another webhook changed the pod, and a pod may be
created of what ``kubectl get pod -o yaml`` printed. It is then brought up to date, and changed no further.
"""

from ignition_hub.engine.names import INIT_CONTAINER
from ignition_hub.engine.pod_annotations import InjectionRequest
from ignition_hub.gateway.admission.fetcher import InjectionSettings, fetcher, refreshed
from ignition_hub.gateway.admission.json_patch import Json, Patch, add, remove
from ignition_hub.gateway.admission.meshes import place, user_past

WHERE = ("spec", "initContainers")


def init_containers(pod: Json, request: InjectionRequest, settings: InjectionSettings, filled: str) -> Patch:
    """Add the fetcher, or bring the one that is there up to date."""
    there = pod["spec"].get("initContainers") or []
    others = [container for container in there if container["name"] != INIT_CONTAINER]
    at = place(others, request)
    ours = fetcher(pod, request, settings, filled, user_past(pod, others[:at]))
    if not there:
        return [add(WHERE, [ours])]
    if len(others) == len(there):
        return [add((*WHERE, at), ours)]
    index = next(index for index, one in enumerate(there) if one["name"] == INIT_CONTAINER)
    wanted = refreshed(there[index], ours)
    if (index, there[index]) == (at, wanted):
        return []
    return [remove((*WHERE, index)), add((*WHERE, at), wanted)]
