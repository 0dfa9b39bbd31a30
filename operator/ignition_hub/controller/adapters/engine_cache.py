"""
The TensorRTEngines, what they count against storage quotas, and which of them wait for room.

Counted up to date one event at a time: a pass that walked over all resources would cost more with each.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from ignition_hub.api.quotas import EngineSizes
from ignition_hub.controller.adapters.object_cache import Mirror
from ignition_hub.engine.errors import Reason
from ignition_hub.kube import Object


class Engines(Mirror):
    """TensorRTEngines by name; ``sizes`` are the bytes of their engines by namespace."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = EngineSizes()
        self._want_room: dict[str, dict[str, None]] = {}

    def next_for_room(self, namespace: str) -> str | None:
        """Return who has waited longest, as its status says, for room in the store for a namespace."""
        return next(iter(self._want_room.get(namespace, ())), None)

    def _enter(self, body: Object) -> None:
        metadata, targets = body["metadata"], _targets(body)
        self.sizes.enter(metadata["namespace"], targets)
        if any(target.get("reason") == Reason.StorageQuotaExceeded for target in targets):
            self._want_room.setdefault(metadata["namespace"], {})[metadata["name"]] = None

    def _leave(self, body: Object) -> None:
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        self.sizes.leave(namespace, _targets(body))
        waiting = self._want_room.get(namespace, {})
        waiting.pop(name, None)
        if not waiting:
            self._want_room.pop(namespace, None)


def _targets(body: Object) -> Sequence[Mapping[str, Any]]:
    targets: Sequence[Mapping[str, Any]] = (body.get("status") or {}).get("targets") or ()
    return targets
