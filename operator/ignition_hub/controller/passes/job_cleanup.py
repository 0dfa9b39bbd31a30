"""The pass about Jobs: those whose engines went away or changed are deleted."""

import logging

from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.object_cache import is_going
from ignition_hub.controller.policy.build_queue import BuildQueue
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.controller.policy.views import JobState
from ignition_hub.controller.process.keys import Key, engine_key
from ignition_hub.controller.process.work_queue import Again
from ignition_hub.engine.names import LABEL_IDENTITY

logger = logging.getLogger(__name__)

UNTIL_ALL_ARE_DECIDED = 10.0
"""Seconds until it is looked again whether what every engine needs is known."""


async def collect(cluster: Cluster, builds: BuildQueue[Key]) -> Again:
    """Delete the Jobs nobody waits for; finished good ones end by their TTL."""
    if not builds.all_known(engine_key(body) for body in cluster.engines if not is_going(body)):
        return Again(seconds=UNTIL_ALL_ARE_DECIDED) if len(cluster.jobs) else Again()
    for job in cluster.jobs:
        if state_of(job) in {JobState.COMPLETE, JobState.GOING}:
            continue
        metadata = job["metadata"]
        # Asked once more for each: passes that ran while the last one was deleted may want this one.
        if builds.keys_of((metadata.get("labels") or {}).get(LABEL_IDENTITY, "")):
            continue
        logger.info("deleting Job", extra={"job": metadata["name"], "why": "no TensorRTEngine needs it"})
        await cluster.delete_job(metadata["name"], metadata["uid"])
    return Again()
