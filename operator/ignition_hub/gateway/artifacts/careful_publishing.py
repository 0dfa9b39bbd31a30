"""
Publishing on a store as it is: in turns where its conditions keep no two writers apart.

What the store does is asked once for each bucket (``store.habits``), before the first publication. Another
gateway may have found otherwise: where the status of the EngineStore says that conditional writes do not
hold, which it does when one of them found so, all take turns.
"""

import contextlib

from ignition_hub.buckets.default_store import OpenStore, StoreList
from ignition_hub.buckets.workers import Workers
from ignition_hub.engine.protocol import Completion
from ignition_hub.gateway.artifacts.publishing import Signer, complete
from ignition_hub.gateway.cluster.callers import Build
from ignition_hub.gateway.cluster.turns import Turns
from ignition_hub.store.errors import StoreBusy
from ignition_hub.store.habits import Habits, habits_of
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.publish import Publication
from ignition_hub.store.settings import StoreSettings, is_told_unconditional
from ignition_hub.ttl_cache import TtlCache

A_DAY = 86400.0
"""How long what was found counts: a server may be upgraded, or may have failed just then."""
A_MINUTE = 60.0
"""How long nothing is found of a server that asks for fewer requests: meanwhile it is not asked again."""


class CarefulPublishing:
    """Publications of one gateway, by ``workers``; ``listed`` returns the EngineStores."""

    def __init__(self, signer: Signer, turns: Turns, workers: Workers, listed: StoreList) -> None:
        self._signer, self._turns, self._workers, self._listed = signer, turns, workers, listed
        self._habits: TtlCache[StoreSettings, Habits] = TtlCache(seconds=A_DAY, size=8)
        self._conditional: TtlCache[StoreSettings, bool] = TtlCache(seconds=A_MINUTE, size=8)

    async def habits(self, store: ObjectStore) -> Habits:
        """Return what a bucket's server does; raise the store's errors, which are not remembered."""
        return await self._habits.get(store.settings, lambda: self._workers.run(habits_of, store))

    async def complete(self, store: OpenStore, build: Build, upload: Completion) -> Publication:
        """Publish an upload; see ``publishing.complete``. TransientError when no turn came in time."""
        alone = await self._is_conditional(store.objects)
        async with contextlib.nullcontext() if alone else self._turns.one():
            return await self._workers.run(complete, store, self._signer, build, upload)

    async def _is_conditional(self, store: ObjectStore) -> bool:
        """Tell whether conditions keep two writers apart, as far as any gateway knows."""
        if not await self._conditional.get(store.settings, lambda: self._found_conditional(store)):
            return False
        return not any(map(is_told_unconditional, await self._listed()))

    async def _found_conditional(self, store: ObjectStore) -> bool:
        try:
            return (await self.habits(store)).are_conditional
        except StoreBusy:  # nothing is known of its conditions, and turns need none
            return False
