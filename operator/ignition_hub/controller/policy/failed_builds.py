"""
The rules of ``decide`` about builds that ended without an engine: whose failure it is, and what follows.

A Job serves every resource that asks for the same engine. Its failure may be a verdict on the source, the
limits or the settings of another one; only what is left is final here.
"""

from dataclasses import replace

from ignition_hub.controller.policy.rebuild import ATTEMPTED, answers_rebuild, pause_left
from ignition_hub.controller.policy.views import ENDED, JobAction, JobState, Plan, TargetSnapshot
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.request import LOCKED
from ignition_hub.engine.state import State

REQUEST = "annotate this resource with ignitionhub.io/rebuild-requested-at"

OF_THE_SOURCE = frozenset({Reason.SourceForbidden, Reason.SourceNotFound, Reason.ModelDigestMismatch})
"""Failures that speak about what one resource lets the builder read; others may let it read better."""

OF_A_LOCKED_CACHE = frozenset({Reason.UnsupportedOption, Reason.BuildFailed})
"""Failures that a locked timing cache can be the cause of."""

PASSING = OF_THE_SOURCE | {Reason.ManifestRefused}
"""Failures that are decided again in every pass: they say nothing about a build."""

_REASONS = frozenset(str(reason) for reason in Reason)


def anothers_source_failed(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when a Job failed for the source of another resource: that is no verdict on this one's."""
    job, engine = snapshot.job, snapshot.engine
    if job is None or job.failure is None or job.failure.reason not in OF_THE_SOURCE:
        return None
    if (job.namespace, job.model_uri) == (engine.namespace, engine.source_uri):
        return None
    return without_the_job("a build from another source failed; retrying from this source", at_once=True)


def job_was_cut_short(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when a shared Job ended at a limit that is less than this resource allows."""
    job, mine = snapshot.job, snapshot.engine.build.patience
    if job is None or job.failure is None:
        return None
    was_late = job.failure.reason is Reason.DeadlineExceeded
    if was_late and job.timeout_seconds is not None and job.timeout_seconds < mine.timeout_seconds:
        ended = f"after {job.timeout_seconds} s; spec.build.timeout is {mine.timeout_seconds} s here"
    elif job.ended_after_retries is not None and job.ended_after_retries < mine.retries:
        ended = f"after {job.ended_after_retries} retries; spec.build.retries is {mine.retries} here"
    else:
        return None
    return without_the_job(f"a shared build was ended {ended}: another build will start", at_once=True)


def others_settings_failed(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when a shared Job failed in a way that what this resource asks for would have spared it."""
    job, mine = snapshot.job, snapshot.engine.build
    if job is None or job.failure is None:
        return None
    if job.failure.reason in OF_A_LOCKED_CACHE and job.timing_cache == LOCKED != mine.timing_cache:
        how = f"with build.timingCache: Locked; it is {mine.timing_cache} here"
    elif job.failure.reason is Reason.OutOfMemory and mine.low_memory and not job.low_memory:
        how = "without build.lowMemory; it is true here"
    else:
        return None
    return without_the_job(f"a shared build failed {how}: another build will start", at_once=True)


def job_is_from_before(snapshot: TargetSnapshot) -> Plan | None:
    """
    Answer when a Job without an engine ended before this resource was made: it answers somebody else.

    So it is when the store was emptied, or a resource is deleted and applied again.
    """
    job, earlier = snapshot.job, snapshot.earlier
    if job is None or job.state not in ENDED or job.finished is None:
        return None
    # The API server stamps whole seconds: in a tie the Job may have been made for this very resource.
    if job.finished >= snapshot.engine.created or (earlier is not None and earlier.state != State.PENDING):
        return None
    if left := pause_left(snapshot):
        message = f"an earlier build left no engine; {ATTEMPTED}"
        return Plan(state=State.PENDING, reason=Reason.Pending, message=message, recheck=left)
    return without_the_job("an earlier build left no engine; it is being deleted and a new build will start")


def restart_has_to_wait(snapshot: TargetSnapshot) -> Plan | None:
    """
    Answer when a restart is asked for of a build that others wait for too, soon after it ended.

    A change of the spec is asked for once, in the generation that follows; only a request can stay open. What
    a change can do for a shared build that failed, the rules before this one have seen.
    """
    left = pause_left(snapshot)
    verdict = build_failed(snapshot) or build_left_no_engine(snapshot)
    if not left or verdict is None or not failure_was_answered(snapshot):
        return None
    if snapshot.engine.open_rebuild is None:
        return replace(verdict, message=f"{verdict.message}; {ATTEMPTED}, when it is requested: {REQUEST}")
    message = f"{verdict.message}; the requested rebuild is pending: {ATTEMPTED}"
    return replace(verdict, message=message, stalled=False, defers_rebuild=True, recheck=left)


def restart_is_due(snapshot: TargetSnapshot) -> Plan | None:
    """
    Answer when a failure the user knows of was followed by a change of the spec or a rebuild request.

    Written at once: the new generation in the status is what makes the next failure final again.
    """
    job = snapshot.job
    if job is None or job.state not in ENDED or not failure_was_answered(snapshot):
        return None
    message = "the failed build is being deleted; a new build will start"
    if job.state is JobState.COMPLETE:
        message = "the build left no engine; another build will start"
    return without_the_job(message, at_once=True)


def build_failed(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when the Job gave up."""
    if snapshot.job is None or snapshot.job.state is not JobState.FAILED:
        return None
    failure = snapshot.job.failure
    if failure is None:
        return failed(Reason.BuildFailed, "the build Job failed and reported no reason")
    return failed(failure.reason, failure.message)


def build_left_no_engine(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when a Job is complete and its engine is not in the store."""
    if snapshot.job is None or snapshot.job.state is not JobState.COMPLETE:
        return None
    return failed(
        Reason.BuildFailed,
        f"Job {snapshot.job.name} is complete, but the store holds no manifest of this engine; "
        f"look at the gateway's log, then {REQUEST}",
    )


def failure_stands(snapshot: TargetSnapshot) -> Plan | None:
    """Answer when this very engine failed before and nobody asked for another attempt since."""
    earlier = snapshot.earlier
    if earlier is None or earlier.state != State.FAILED or snapshot.engine.restart_is_asked:
        return None
    if snapshot.wanted is None or earlier.identity != snapshot.wanted.identity or earlier.reason in PASSING:
        return None
    return Plan(
        state=State.FAILED,
        # A status may be of another version of the hub, which knew other words.
        reason=Reason(earlier.reason) if earlier.reason in _REASONS else Reason.BuildFailed,
        stalled=True,
        keeps_status=True,
    )


def without_the_job(message: str, *, at_once: bool = False) -> Plan:
    """Remove the Job; a later pass, which finds none, builds again."""
    return Plan(
        state=State.PENDING,
        reason=Reason.Pending,
        message=message,
        action=JobAction.DELETE_JOB,
        at_once=at_once,
        recheck=1.0,
    )


def failed(reason: Reason, message: str) -> Plan:
    """End the attempts: the failure stands until the spec changes or a rebuild is requested."""
    return Plan(state=State.FAILED, reason=reason, message=message, stalled=True)


def failure_was_answered(snapshot: TargetSnapshot) -> bool:
    """Tell whether the spec was changed, or a rebuild requested, since the status told of the failure."""
    earlier = snapshot.earlier
    if earlier is None or earlier.state != State.FAILED or not snapshot.engine.restart_is_asked:
        return False
    if (
        snapshot.job is not None
        and not snapshot.engine.spec_is_new
        and answers_rebuild(snapshot.job, snapshot.engine)
    ):
        return False  # this failure is the answer; the request stays open for another target
    # The verdict on another identity says nothing about this one's Job, which may serve somebody else.
    return snapshot.wanted is not None and earlier.identity == snapshot.wanted.identity
