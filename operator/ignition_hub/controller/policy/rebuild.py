"""
Build a published engine anew, because somebody asked for it. Pure; a part of ``decide``.

What is published stays Ready until its successor replaces it: a request for something better must not take
away what works. A Job that answers a request carries it; the status calls the request handled when every
target that it concerns has such a Job.

An engine that several namespaces use is replaced for all of them, so their requests together have a budget,
and so have their attempts to build what failed.
"""

from dataclasses import replace

from ignition_hub.controller.policy.views import (
    ENDED,
    EngineSnapshot,
    JobAction,
    JobSnapshot,
    JobState,
    Plan,
    TargetSnapshot,
)

LOOK_AGAIN = 15.0
"""Seconds between two looks at a Job that is in the way, or at work."""
LOOK_AT_QUEUE = 60.0

SHARED_PAUSE = 600.0
"""
Seconds from the end of a build to the next of an engine that namespaces share. Less than a Job is kept: it is
what tells when the last build ended.
"""

REPLACED = "published; the requested rebuild replaces it when it is complete"
SHARED = (
    "published; the requested rebuild is pending: other namespaces use this engine, "
    f"which is rebuilt {SHARED_PAUSE / 60:.0f} minutes after its last build at the earliest"
)
ATTEMPTED = (
    "other namespaces wait for this engine too, "
    f"which is built again {SHARED_PAUSE / 60:.0f} minutes after its last build ended at the earliest"
)


def rebuilt(snapshot: TargetSnapshot, published: Plan) -> Plan | None:
    """Return what a request for another build makes of ``published``; None when that stands as it is."""
    if not snapshot.was_ready or snapshot.engine.rebuild is None:
        return None
    if snapshot.job is not None and answers_rebuild(snapshot.job, snapshot.engine):
        return _followed(snapshot.job, published)
    if snapshot.engine.rebuild == snapshot.engine.handled_rebuild:
        return None
    return _due(snapshot, replace(published, defers_rebuild=True, recheck=LOOK_AGAIN))


def answers_rebuild(job: JobSnapshot, engine: EngineSnapshot) -> bool:
    """Tell whether ``job`` was made for the request that ``engine`` carries."""
    return job.rebuild is not None and job.rebuild == engine.rebuild


def pause_left(snapshot: TargetSnapshot) -> float:
    """Return in how many seconds another build may take the place of the one that ended; 0 is now."""
    if snapshot.job is None or not snapshot.is_shared:
        return 0.0
    return max(0.0, SHARED_PAUSE - snapshot.job.ended_for)


def _due(snapshot: TargetSnapshot, waiting: Plan) -> Plan:
    if refusal := snapshot.naming_refusal:
        return replace(
            waiting, message=f"published; the requested rebuild is refused: {refusal}", recheck=None
        )
    if snapshot.job is not None:
        return _made_way(snapshot, snapshot.job, waiting)
    if snapshot.engine.suspended:
        why = "published; the requested rebuild is pending: spec.suspend is true"
        return replace(waiting, message=why, recheck=None)
    if snapshot.full_quota is not None:
        why = f"published; the requested rebuild is pending: {snapshot.full_quota}"
        return replace(waiting, message=why, recheck=LOOK_AT_QUEUE)
    if snapshot.queue_position is not None:
        why = "published; the requested rebuild is queued in its BuildPool"
        return replace(waiting, message=why, recheck=LOOK_AT_QUEUE)
    return replace(waiting, message=REPLACED, action=JobAction.CREATE_JOB, defers_rebuild=False)


def _followed(job: JobSnapshot, published: Plan) -> Plan | None:
    if job.state is JobState.COMPLETE:
        return None
    if job.state is not JobState.FAILED:
        return replace(published, message=REPLACED, recheck=LOOK_AGAIN)
    why = f"{job.failure.reason}: {job.failure.message}" if job.failure else "its Job reported no reason"
    return replace(published, message=f"published; the requested rebuild failed: {why}")


def _made_way(snapshot: TargetSnapshot, job: JobSnapshot, waiting: Plan) -> Plan:
    if job.state not in ENDED:
        why = "published; the requested rebuild is pending: an earlier build is active"
        return replace(waiting, message=why)
    if left := pause_left(snapshot):
        return replace(waiting, message=SHARED, recheck=left)
    return replace(waiting, message=REPLACED, action=JobAction.DELETE_JOB, recheck=1.0)
