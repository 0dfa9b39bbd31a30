"""The gated pods, found by the engines they wait for: what happens to one engine concerns no other's pods."""

from collections import defaultdict

from ignition_hub.controller.adapters.object_cache import Mirror, Name, name_of
from ignition_hub.engine.naming import engines_named
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.kube import Object


class WaitingPods(Mirror):
    """Gated pods by name and by engine."""

    def __init__(self) -> None:
        super().__init__()
        self._by_engine: defaultdict[Name, dict[Name, Object]] = defaultdict(dict)

    def waiting_for(self, namespace: str, engine: str) -> list[Object]:
        """Return the pods that name an engine of their namespace."""
        return list(self._by_engine.get((namespace, engine), {}).values())

    def _enter(self, body: Object) -> None:
        namespace = body["metadata"]["namespace"]
        for engine in engines_named_by(body):
            self._by_engine[namespace, engine][name_of(body)] = body

    def _leave(self, body: Object) -> None:
        namespace = body["metadata"]["namespace"]
        for engine in engines_named_by(body):
            pods = self._by_engine[namespace, engine]
            pods.pop(name_of(body), None)
            if not pods:
                del self._by_engine[namespace, engine]


def engines_named_by(pod: Object) -> list[str]:
    """Return the engines a pod's annotation names; the webhook checked it."""
    text = (pod["metadata"].get("annotations") or {}).get(ANNOTATION_ENGINES.name, "")
    return [resource for _, resource in engines_named(text) if resource]
