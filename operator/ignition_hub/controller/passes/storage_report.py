"""
What namespaces use of their storage quotas, for people: for the status of the EngineStore and the metrics.

Nothing is decided by it. Each namespace that has a quota costs a listing, so a report is made every few
minutes, and only where there are quotas.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ignition_hub.api.quotas import StorageUse
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.policy.ports import Store, World
from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.sources import EVERY_NAMESPACE
from ignition_hub.ttl_cache import TtlCache

REPORT_EVERY = 240.0
"""Seconds for which a report stands, unless the spec of the EngineStore changes."""
MOST_NAMESPACES = 256
"""Of so many a report tells, by name."""


class StorageReport:
    """The last report on the store in use."""

    def __init__(self, cluster: Cluster, world: World) -> None:
        self._cluster, self._world = cluster, world
        self._reports: TtlCache[tuple[str, int], Sequence[StorageUse]] = TtlCache(
            seconds=REPORT_EVERY, size=1
        )
        self.latest: Sequence[StorageUse] = ()

    async def on(self, store: Mapping[str, Any]) -> Sequence[StorageUse]:
        """Return what is used in the EngineStore in use; while its bucket fails, what was last."""
        metadata, spec = store["metadata"], store["spec"]
        names = sorted(
            {*_named(spec), *self._cluster.engines.sizes.namespaces()} if spec.get("quotas") else ()
        )
        try:
            question = metadata.get("uid", ""), metadata["generation"]
            self.latest = await self._reports.get(question, lambda: self._made(names))
        except IgnitionError:
            pass  # the condition of the store tells what is wrong with its bucket
        return self.latest

    async def _made(self, names: Iterable[str]) -> Sequence[StorageUse]:
        if not names:
            return ()
        store = await self._world.store()
        limited = [name for name in names if store.quota(name) is not None]
        return [await self._use(store, name) for name in limited[:MOST_NAMESPACES]]

    async def _use(self, store: Store, namespace: str) -> StorageUse:
        used = await store.pushed_bytes(namespace) + self._cluster.engines.sizes.bytes_in(namespace)
        return StorageUse(namespace, used, store.quota(namespace) or 0)


def _named(spec: Mapping[str, Any]) -> set[str]:
    return {name for entry in spec["quotas"] for name in entry["namespaces"]} - {EVERY_NAMESPACE}
