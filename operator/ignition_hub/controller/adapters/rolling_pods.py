"""The pods whose workloads may be restarted for new engines: as much of each as that decision reads."""

from collections import defaultdict

from ignition_hub.controller.adapters.object_cache import Mirror, Name, name_of
from ignition_hub.engine.names import INIT_CONTAINER
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.kube import Object

READ = (
    "name", "namespace", "uid", "resourceVersion", "labels", "ownerReferences", "creationTimestamp",
    "deletionTimestamp",
)  # fmt: skip


class RollingPods(Mirror):
    """Pods by name and by namespace."""

    def __init__(self) -> None:
        super().__init__()
        self._by_namespace: defaultdict[str, dict[Name, Object]] = defaultdict(dict)

    def namespaces(self) -> list[str]:
        """Return the namespaces that have such pods."""
        return list(self._by_namespace)

    def all_in(self, namespace: str) -> list[Object]:
        """Return the pods of a namespace."""
        return list(self._by_namespace.get(namespace, {}).values())

    def _kept(self, body: Object) -> Object:
        metadata, status = body["metadata"], body.get("status") or {}
        named = (metadata.get("annotations") or {}).get(ANNOTATION_ENGINES.name)
        ended = [one for one in status.get("initContainerStatuses") or () if one["name"] == INIT_CONTAINER]
        return {
            "metadata": {
                **{name: metadata[name] for name in READ if name in metadata},
                "annotations": {ANNOTATION_ENGINES.name: named} if named else {},
            },
            "status": {"phase": status.get("phase"), "initContainerStatuses": ended},
        }

    def _enter(self, body: Object) -> None:
        self._by_namespace[body["metadata"]["namespace"]][name_of(body)] = body

    def _leave(self, body: Object) -> None:
        namespace = body["metadata"]["namespace"]
        pods = self._by_namespace[namespace]
        pods.pop(name_of(body), None)
        if not pods:
            del self._by_namespace[namespace]
