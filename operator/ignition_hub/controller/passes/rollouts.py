"""
The pass about the rollouts of a namespace: pods whose engines were replaced are restarted.

Nothing is asked of the API server while every pod runs the engines of today. Who is restarted, and who waits
for what, is ``policy/rollout.py``; the workload's own controller and strategy replace the pods.
"""

import logging
from collections.abc import Sequence

from ignition_hub.compatibility.served_pods import Standing, standing_of
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.workloads import Workloads
from ignition_hub.controller.policy.rollout import obstacle_of, turn_of
from ignition_hub.controller.policy.workloads import Workload
from ignition_hub.controller.process.counters import Counters
from ignition_hub.controller.process.keys import Key
from ignition_hub.controller.process.work_queue import Again

logger = logging.getLogger(__name__)

SOON = 3.0
"""Seconds after a change until it is looked whether a rollout is due: pods and engines change together."""


async def roll_out(
    cluster: Cluster, workloads: Workloads, key: Key, counters: Counters, now: tuple[float, str]
) -> Again:
    """Restart the next workload of a namespace; ``now`` is in seconds since the epoch, and as RFC 3339."""
    standings = [
        (pod, standing_of(pod, lambda name: cluster.engines.get(key.namespace, name)))
        for pod in cluster.rolling_pods.all_in(key.namespace)
    ]
    if not any(standing is Standing.STALE for _, standing in standings):
        return Again()
    seconds, stamp = now
    found = await workloads.of(standings)
    _tell(found, key.namespace, seconds)
    turn = turn_of(found, seconds)
    if turn.workload is not None:
        told = {"workload": f"{turn.workload.kind} {key.namespace}/{turn.workload.name}"}
        logger.info("restarting pods for new engines", extra=told)
        await workloads.restart(turn.workload, stamp)
        counters.rollouts_started.labels(turn.workload.kind).inc()
    return Again(seconds=turn.recheck)


def _tell(workloads: Sequence[Workload], namespace: str, now: float) -> None:
    """Log what each workload waits for: of interest to the person who asks why one is not restarted."""
    for workload in workloads:
        if obstacle := obstacle_of(workload, now):
            told = {"workload": f"{workload.kind} {namespace}/{workload.name}", "why": obstacle.why}
            logger.debug("pods are not restarted", extra=told)
