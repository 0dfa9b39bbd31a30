"""
Decide what one target of a TensorRTEngine needs next.

A frozen view of the world comes in, a plan goes out; no cluster, no bucket, no clock. Read ``RULES`` from top
to bottom as the life of a target: the first rule that answers is the answer. The rules about builds that left
no engine are in ``failed_builds``.
"""

from collections.abc import Callable

from ignition_hub.api.quotas import REMEDY
from ignition_hub.compatibility.tenants import precedence_of
from ignition_hub.controller.policy.failed_builds import (
    anothers_source_failed,
    build_failed,
    build_left_no_engine,
    failed,
    failure_stands,
    failure_was_answered,
    job_is_from_before,
    job_was_cut_short,
    others_settings_failed,
    restart_has_to_wait,
    restart_is_due,
    without_the_job,
)
from ignition_hub.controller.policy.rebuild import rebuilt
from ignition_hub.controller.policy.views import (
    JobAction,
    JobState,
    Plan,
    QueuePosition,
    TargetSnapshot,
)
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.state import State

Rule = Callable[[TargetSnapshot], Plan | None]

LOOK_AT_BUILD = 15.0
"""Seconds between two looks at a build that reports nothing by itself."""

LOOK_AT_QUEUE = 60.0
"""Seconds between two looks at a queue; a free place wakes those who wait anyway."""

NEARLY_EXACT = (1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000)
"""Steps in which a place in a queue is told: every exact place would be a status write each."""


def nothing_was_learned(snapshot: TargetSnapshot) -> Plan | None:
    """Answer while the store is away: an outage proves nothing against an engine that was Ready."""
    trouble = snapshot.trouble
    if trouble is None or not trouble.unknown:
        return None
    if _stays_ready(snapshot):
        return _kept(back_off=True)
    return Plan(
        state=State.PENDING, reason=trouble.reason, message=trouble.message, unknown=True, back_off=True
    )


def namespace_has_too_many_engines(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when the resource is beyond its namespace's limit; an engine that was Ready stays usable."""
    trouble = snapshot.trouble
    if trouble is None or trouble.reason is not Reason.TooManyEngines:
        return None
    if _stays_ready(snapshot):
        return _kept()
    return Plan(state=State.PENDING, reason=trouble.reason, message=trouble.message, stalled=True)


def source_is_gone(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when the model is not there; an engine already made from it stays usable."""
    trouble = snapshot.trouble
    if trouble is None or trouble.reason is not Reason.SourceNotFound:
        return None
    if _stays_ready(snapshot):
        return _kept(recheck=None)
    return Plan(state=State.PENDING, reason=trouble.reason, message=trouble.message, back_off=True)


def source_is_refused(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when the namespace may not read the model, or no builder could."""
    if snapshot.trouble is None:
        return None
    return failed(snapshot.trouble.reason, snapshot.trouble.message)


def target_is_unbuildable(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when no pool can truthfully build it."""
    trouble = snapshot.unbuildable
    if trouble is None:
        return None
    return Plan(state=State.UNBUILDABLE, reason=trouble.reason, message=trouble.message, stalled=True)


def possession_is_unproven(snapshot: TargetSnapshot) -> Plan | None:
    """Answer while, or because, the source does not have the digest that is pinned."""
    trouble = snapshot.possession
    if trouble is None:
        return None
    if trouble.unknown:
        return Plan(state=State.VERIFYING, reason=trouble.reason, message=trouble.message, back_off=True)
    return failed(trouble.reason, trouble.message)


def manifest_is_refused(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when something lies in the store that no hub of ours signed."""
    trouble = snapshot.refused
    if trouble is None or _refusal_was_answered(snapshot):
        return None
    return failed(trouble.reason, trouble.message)


def engine_is_published(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when the engine exists."""
    if snapshot.manifest is None:
        return None
    source = _origin(snapshot)
    reason = Reason.Built if source == "Built" else Reason.Reused
    return Plan(
        state=State.READY,
        reason=reason,
        message=_READY_MESSAGES[reason],
        manifest=snapshot.manifest,
        source=source,
    )


def engine_is_missing(snapshot: TargetSnapshot) -> Plan | None:
    """Answer, once, when the store no longer has the engine that the status calls Ready."""
    if not snapshot.was_ready:
        return None
    is_over = snapshot.job is not None and snapshot.job.state is JobState.COMPLETE
    return Plan(
        state=State.PENDING,
        reason=Reason.EngineMissing,
        message="the engine is no longer in the store; it will be built again",
        action=JobAction.DELETE_JOB if is_over else JobAction.NONE,
        at_once=True,
        recheck=1.0,
    )


def another_build_is_asked_for(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when what is published is to be built anew, or is being."""
    published = engine_is_published(snapshot)
    return rebuilt(snapshot, published) if published is not None else None


def named_queue_is_refused(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when the pool does not let the namespace name the queue or the priority class that it names."""
    refusal = snapshot.naming_refusal
    if refusal is None:
        return None
    return Plan(state=State.UNBUILDABLE, reason=Reason.SchedulingForbidden, message=refusal, stalled=True)


def job_is_going(snapshot: TargetSnapshot) -> Plan | None:
    """Answer while a Job is being deleted: its name is free when it is gone."""
    if snapshot.job is None or snapshot.job.state is not JobState.GOING:
        return None
    message = "waiting for the earlier build of this engine to be removed"
    return Plan(state=State.PENDING, reason=Reason.Pending, message=message, recheck=LOOK_AT_BUILD)


def job_waits_by_a_later_entry(snapshot: TargetSnapshot) -> Plan | None:
    """Answer while a Job waits, in its queue or for a node, by an entry that comes after this namespace's."""
    job, wanted, namespace = snapshot.job, snapshot.wanted, snapshot.engine.namespace
    if job is None or wanted is None or not job.has_no_pod_at_work or job.pool != wanted.pool:
        return None
    if precedence_of(wanted.tenants, namespace) >= precedence_of(wanted.tenants, job.tenant):
        return None
    return without_the_job(
        f"the waiting build is being deleted; another will be queued as spec.tenants of {wanted.pool} says "
        f"for namespace {namespace}, whose entry comes before that of {job.tenant}"
    )


def builder_is_at_work(snapshot: TargetSnapshot) -> Plan | None:
    """Answer while the Job runs, or waits to."""
    job = snapshot.job
    if job is None:
        return None
    if job.state is JobState.SUSPENDED:
        message = f"Job {job.name} is suspended; its queue has not admitted it yet"
        return Plan(state=State.QUEUED, reason=Reason.Queued, message=message, recheck=LOOK_AT_QUEUE)
    if job.obstacle is not None:
        reason, message = job.obstacle.reason, job.obstacle.message
        return Plan(state=State.QUEUED, reason=reason, message=message, recheck=LOOK_AT_BUILD)
    message = f"Job {job.name} is building"
    return Plan(
        state=State.BUILDING,
        reason=Reason.Building,
        message=message,
        progress=job.progress,
        recheck=LOOK_AT_BUILD,
    )


def build_is_suspended(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when no new build may start."""
    if not snapshot.engine.suspended:
        return None
    message = "spec.suspend is true: no build is started"
    return Plan(state=State.PENDING, reason=Reason.Suspended, message=message)


def storage_quota_is_full(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when no namespace that waits for the engine may keep another byte."""
    if snapshot.full_quota is None:
        return None
    return Plan(
        state=State.PENDING,
        reason=Reason.StorageQuotaExceeded,
        message=f"no build is started: {snapshot.full_quota}: {REMEDY}; the check is retried",
        stalled=True,
        recheck=LOOK_AT_QUEUE,
    )


def pool_is_full(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when the pool runs as many builds as it may."""
    if snapshot.queue_position is None:
        return None
    pool = snapshot.wanted.pool if snapshot.wanted else None
    return Plan(
        state=State.QUEUED,
        reason=Reason.Queued,
        message=_queue_message(pool or "", snapshot.queue_position),
        recheck=LOOK_AT_QUEUE,
    )


def build_is_due(snapshot: TargetSnapshot) -> Plan:
    """Answer always: no engine with this identity exists, nobody builds it, and nothing is in the way."""
    identity = snapshot.wanted.identity if snapshot.wanted else ""
    return Plan(
        state=State.BUILDING,
        reason=Reason.Building,
        message=f"starting build {identity[:16]}",
        action=JobAction.CREATE_JOB,
        at_once=failure_was_answered(snapshot),  # or a quick second failure would be taken for the first
        recheck=LOOK_AT_BUILD,
    )


RULES: tuple[Rule, ...] = (
    nothing_was_learned,
    namespace_has_too_many_engines,
    source_is_gone,
    source_is_refused,  # before any hit: knowing a digest is not possession
    target_is_unbuildable,
    possession_is_unproven,
    manifest_is_refused,
    another_build_is_asked_for,
    engine_is_published,
    engine_is_missing,  # before the build that follows, whose reason it tells
    named_queue_is_refused,  # whether or not there is a Job: what others build is not built in that queue
    job_is_going,
    anothers_source_failed,
    job_was_cut_short,
    others_settings_failed,
    job_is_from_before,
    restart_has_to_wait,
    restart_is_due,  # before the failure is told again
    build_failed,
    build_left_no_engine,
    job_waits_by_a_later_entry,
    builder_is_at_work,
    failure_stands,  # after the Job is collected, its verdict remains
    build_is_suspended,
    storage_quota_is_full,
    pool_is_full,
    build_is_due,  # answers always, so `next` cannot run dry
)

_READY_MESSAGES = {
    Reason.Built: "built and published",
    Reason.Reused: "found in the store; nothing was built",
}


def decide(snapshot: TargetSnapshot) -> Plan:
    """Return the plan of the first rule in ``RULES`` that answers."""
    return next(plan for rule in RULES if (plan := rule(snapshot)) is not None)


def _kept(*, back_off: bool = False, recheck: float | None = None) -> Plan:
    return Plan(
        state=State.READY,
        reason=Reason.Built,
        keeps_status=True,
        defers_rebuild=True,
        back_off=back_off,
        recheck=recheck,
    )


def _stays_ready(snapshot: TargetSnapshot) -> bool:
    earlier = snapshot.earlier
    return earlier is not None and earlier.state == State.READY and not snapshot.engine.spec_is_new


def _refusal_was_answered(snapshot: TargetSnapshot) -> bool:
    """Tell whether a rebuild was asked for: the gateway replaces a manifest that is not to be believed."""
    told = snapshot.earlier is not None and snapshot.earlier.reason == Reason.ManifestRefused
    return told and snapshot.engine.rebuild != snapshot.engine.handled_rebuild


def _origin(snapshot: TargetSnapshot) -> str:
    earlier, job = snapshot.earlier, snapshot.job
    if snapshot.was_ready and earlier is not None and earlier.source:
        return earlier.source
    if job is None or job.state is not JobState.COMPLETE:
        return "Remote"
    # Both times are whole seconds, so only who asked first can be told to have asked in the last one.
    asked_first = (job.namespace, job.resource) == (snapshot.engine.namespace, snapshot.engine.name)
    ended = job.finished or 0.0
    waited = snapshot.engine.created < ended or (asked_first and snapshot.engine.created == ended)
    return "Built" if waited else "Remote"


def _queue_message(pool: str, position: QueuePosition) -> str:
    at_a_time = f"pool {pool} has maxConcurrentBuilds {position.limit}"
    if position.limit == 0:
        return f"pool {pool} starts no builds (maxConcurrentBuilds is 0)"
    if position.ahead == 0:
        return f"{at_a_time}; this build is next"
    bound = next((step for step in NEARLY_EXACT if position.ahead <= step), None)
    ahead = f"more than {NEARLY_EXACT[-1]}" if bound is None else f"at most {bound}"
    return f"{at_a_time}; {ahead} ahead of this build in the queue"
