"""The gated pods, found by the engines they wait for: what happens to one engine concerns no other's pods."""

import heapq
from collections import defaultdict

from ignition_hub.controller.adapters.object_cache import Mirror, Name, name_of
from ignition_hub.engine.naming import engines_named
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.kube import Object


class WaitingPods(Mirror):
    """Gated pods by name and by engine, and the one that has waited longest."""

    def __init__(self) -> None:
        super().__init__()
        self._by_engine: defaultdict[Name, dict[Name, Object]] = defaultdict(dict)
        self._by_age: list[tuple[str, Name]] = []
        """A heap; it also has the entries of pods that are gone, until they are the oldest."""

    def oldest(self) -> str | None:
        """Return when the pod that has waited longest was created (RFC 3339); None when none waits."""
        while self._by_age and not self._is_there(*self._by_age[0]):
            heapq.heappop(self._by_age)
        return self._by_age[0][0] if self._by_age else None

    def waiting_for(self, namespace: str, engine: str) -> list[Object]:
        """Return the pods that name an engine of their namespace."""
        return list(self._by_engine.get((namespace, engine), {}).values())

    def _enter(self, body: Object) -> None:
        namespace = body["metadata"]["namespace"]
        for engine in engines_named_by(body):
            self._by_engine[namespace, engine][name_of(body)] = body
        if created := body["metadata"].get("creationTimestamp"):
            heapq.heappush(self._by_age, (created, name_of(body)))
            self._drop_stale()

    def _leave(self, body: Object) -> None:
        namespace = body["metadata"]["namespace"]
        for engine in engines_named_by(body):
            pods = self._by_engine[namespace, engine]
            pods.pop(name_of(body), None)
            if not pods:
                del self._by_engine[namespace, engine]

    def _is_there(self, created: str, name: Name) -> bool:
        pod = self.get(*name)
        return pod is not None and pod["metadata"].get("creationTimestamp") == created

    def _drop_stale(self) -> None:
        """Keep the heap within twice the pods: it would grow with every change of one that waits for days."""
        if len(self._by_age) > 2 * len(self) + 64:
            self._by_age = sorted({entry for entry in self._by_age if self._is_there(*entry)})


def engines_named_by(pod: Object) -> list[str]:
    """Return the engines a pod's annotation names; the webhook checked it."""
    text = (pod["metadata"].get("annotations") or {}).get(ANNOTATION_ENGINES.name, "")
    return [resource for _, resource in engines_named(text) if resource]
