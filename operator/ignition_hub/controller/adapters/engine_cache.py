"""
The TensorRTEngines, what they count against quotas and limits, and which of them wait for room.

Counted up to date one event at a time: a pass that walked over all resources would cost more with each.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ignition_hub.api.quotas import EngineSizes
from ignition_hub.controller.adapters.object_cache import Mirror, is_going
from ignition_hub.controller.adapters.target_counts import TargetCounts
from ignition_hub.controller.policy.added_targets import Used
from ignition_hub.controller.policy.engine_limit import Age, EngineLimit, too_many
from ignition_hub.controller.policy.views import Trouble
from ignition_hub.engine.errors import Reason
from ignition_hub.kube import Object


class Engines(Mirror):
    """
    TensorRTEngines by name; ``sizes`` are the bytes of their engines by namespace, ``counts`` their targets,
    ``added`` those that their specifications do not have.

    ``most`` of each namespace are within its limit; 0 is no limit. One that is being deleted takes no place.
    """

    def __init__(self, *, most: int = 0) -> None:
        super().__init__()
        self.sizes = EngineSizes()
        self.counts = TargetCounts()
        self.added: Used = Counter()
        self._limit = EngineLimit(most)
        self._want_room: dict[str, dict[str, None]] = {}

    def excess(self, namespace: str, name: str) -> Trouble | None:
        """Return what keeps a resource from being worked on when its namespace has too many."""
        body = self.get(namespace, name)
        if body is None or self._limit.covers(namespace, _age(body)):
            return None
        return too_many(namespace, self._limit.most)

    def next_for_place(self, namespace: str) -> str | None:
        """Return who got the place of a deleted resource, in a namespace that has reached its limit."""
        return self._limit.youngest_covered(namespace)

    def next_for_room(self, namespace: str) -> str | None:
        """Return who has waited longest, as its status says, for room in the store for a namespace."""
        return next(iter(self._want_room.get(namespace, ())), None)

    def _enter(self, body: Object) -> None:
        metadata, targets = body["metadata"], _targets(body)
        self.sizes.enter(metadata["namespace"], targets)
        self.counts.enter(targets)
        self.added.update(_added(metadata["namespace"], targets))
        if not is_going(body):
            self._limit.enter(metadata["namespace"], _age(body))
        if any(target.get("reason") == Reason.StorageQuotaExceeded for target in targets):
            self._want_room.setdefault(metadata["namespace"], {})[metadata["name"]] = None

    def _leave(self, body: Object) -> None:
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        self.sizes.leave(namespace, _targets(body))
        self.counts.leave(_targets(body))
        self.added.subtract(_added(namespace, _targets(body)))
        if not is_going(body):
            self._limit.leave(namespace, _age(body))
        waiting = self._want_room.get(namespace, {})
        waiting.pop(name, None)
        if not waiting:
            self._want_room.pop(namespace, None)


def _age(body: Object) -> Age:
    metadata = body["metadata"]
    return metadata.get("creationTimestamp") or "", metadata["name"], metadata.get("uid") or ""


def _added(namespace: str, targets: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    reasons = (target.get("autoBuild") for target in targets)
    return ((str(why.get("pool")), namespace) for why in reasons if isinstance(why, Mapping))


def _targets(body: Object) -> Sequence[Mapping[str, Any]]:
    targets: Sequence[Mapping[str, Any]] = (body.get("status") or {}).get("targets") or ()
    return targets
