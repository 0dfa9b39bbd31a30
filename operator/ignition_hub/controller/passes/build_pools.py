"""The pass about a BuildPool: its status says what it can build, and how many builds run and wait."""

from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.object_cache import is_going
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.policy.pool_status import builds_of, pool_status
from ignition_hub.controller.policy.status import difference
from ignition_hub.controller.process.keys import Key, engine_key
from ignition_hub.controller.process.work_queue import Again
from ignition_hub.kube import POOLS

UNTIL_ALL_ARE_DECIDED = 10.0
"""Seconds until it is looked again whether it is known what every engine needs."""


async def describe_pool(cluster: Cluster, builds: BuildQueue[Key], key: Key, now: str) -> Again:
    """Write the status of a BuildPool if it says something else now; ``now`` is RFC 3339."""
    pool = cluster.pools.get("", key.name)
    if pool is None or is_going(pool):
        return Again()
    known = builds.all_known(engine_key(body) for body in cluster.engines if not is_going(body))
    counts = builds_of(cluster.jobs.states(key.name), builds.waiting(key.name) if known else None)
    if patch := difference(pool.get("status") or {}, pool_status(pool, counts, now)):
        await cluster.write_status(pool, patch, POOLS)
    return Again() if known else Again(seconds=UNTIL_ALL_ARE_DECIDED)
