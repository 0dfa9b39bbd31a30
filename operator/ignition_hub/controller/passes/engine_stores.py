"""
The pass about an EngineStore: its status says whether the bucket opens with the Secret.

The Secret is read every half minute, for the controller may not watch it. The bucket is asked when settings
or Secret changed and every few minutes besides; while that fails, as often as the queue's back-off has it,
and at least every half minute: engines wait for it. The gateways are asked each time what they found of the
bucket in use. What namespaces use is the word of ``storage_report``.
"""

import random

from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.object_cache import is_going
from ignition_hub.controller.passes.storage_report import StorageReport
from ignition_hub.controller.policy.ports import World
from ignition_hub.controller.policy.status import difference
from ignition_hub.controller.policy.store_status import Heard, Probe, store_status
from ignition_hub.controller.process.keys import Key
from ignition_hub.controller.process.work_queue import Again
from ignition_hub.engine.store_findings import StoreReason
from ignition_hub.kube import STORES
from ignition_hub.store.errors import StoreMisconfigured
from ignition_hub.store.settings import default_store

READ_SECRET_EVERY = 30.0
"""Seconds; a little less each time, so that stores are not read together."""


async def describe_store(cluster: Cluster, world: World, report: StorageReport, key: Key, now: str) -> Again:
    """Write the status of an EngineStore if it says something else now; ``now`` is RFC 3339."""
    store = cluster.stores.get("", key.name)
    if store is None or is_going(store):
        return Again()
    try:
        default = default_store(list(cluster.stores))["metadata"]["name"]
    except StoreMisconfigured as error:
        default, probe = "", Probe(StoreReason.SEVERAL_DEFAULTS, str(error))
    else:
        probe = await world.probe(store)
    used, heard = (await report.on(store), await world.heard(store)) if default == key.name else ((), Heard())
    status = store_status(store, probe, default=default, used=used, heard=heard, now=now)
    if patch := difference(store.get("status") or {}, status):
        await cluster.write_status(store, patch, STORES)
    return _again(probe.reason)


def _again(reason: StoreReason) -> Again:
    if reason is StoreReason.SEVERAL_DEFAULTS:
        # Which store is the default only a change of an EngineStore decides, and that wakes all of them.
        return Again()
    soon = READ_SECRET_EVERY * random.uniform(0.8, 1.0)  # noqa: S311  # spreads load
    settled = reason in {StoreReason.BUCKET_REACHABLE, StoreReason.CREDENTIALS_INVALID}
    return Again(seconds=soon, back_off=not settled)
