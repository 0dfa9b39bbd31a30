"""
The fetcher among a pod's init containers, which run one after the other. Pure.

A pod may have it already: the API server asks again when another webhook changed the pod, and a pod may be
created of what ``kubectl get pod -o yaml`` printed. It is then brought up to date, and changed no further.
"""

from ignition_hub.engine.names import INIT_CONTAINER
from ignition_hub.engine.pod_annotations import InjectionRequest
from ignition_hub.gateway.admission.fetcher import InjectionSettings, fetcher, refreshed
from ignition_hub.gateway.admission.json_patch import Json, Patch, add, remove

WHERE = ("spec", "initContainers")
FIRST = 0
"""The fetcher's index: any other init container may need the engines already."""


def init_containers(pod: Json, request: InjectionRequest, settings: InjectionSettings) -> Patch:
    """Add the fetcher, or bring the one that is there up to date."""
    ours = fetcher(pod, request, settings)
    there = pod["spec"].get("initContainers") or []
    if not there:
        return [add(WHERE, [ours])]
    names = [container["name"] for container in there]
    if INIT_CONTAINER not in names:
        return [add((*WHERE, FIRST), ours)]
    index = names.index(INIT_CONTAINER)
    wanted = refreshed(there[index], ours)
    if (index, there[index]) == (FIRST, wanted):
        return []
    return [remove((*WHERE, index)), add((*WHERE, FIRST), wanted)]
