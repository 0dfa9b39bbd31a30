"""
Apply: the one request a plan makes besides the status.

Creating is idempotent by name, deleting by uid, so a pass that is cut off anywhere is simply run again.
"""

import logging
from dataclasses import replace

from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.policy.build_job import JobSettings, build_job
from ignition_hub.controller.policy.resolution import build_request
from ignition_hub.controller.policy.status import Decision
from ignition_hub.controller.policy.views import BuildParameters, JobAction, Plan
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.state import State
from ignition_hub.kube import Forbidden, Invalid, KubeError

logger = logging.getLogger(__name__)


async def apply(
    cluster: Cluster,
    settings: JobSettings,
    decision: Decision,
    model_size: int | None,
    build: BuildParameters,
) -> Decision:
    """
    Do what the plan of one target asks; return the plan as it turned out.

    ``build`` is how to build for all who wait for it.
    """
    if decision.plan.action is JobAction.CREATE_JOB:
        return await _create(cluster, settings, decision, model_size, build)
    job = decision.snapshot.job
    if decision.plan.action is JobAction.DELETE_JOB and job is not None:
        logger.info("deleting Job", extra={"job": job.name, "why": decision.plan.message})
        await cluster.delete_job(job.name, job.uid)
    return decision


async def _create(
    cluster: Cluster,
    settings: JobSettings,
    decision: Decision,
    model_size: int | None,
    build: BuildParameters,
) -> Decision:
    engine, wanted = decision.snapshot.engine, decision.snapshot.wanted
    pool = cluster.pools.get("", wanted.pool or "") if wanted else None
    if wanted is None or pool is None:
        return _instead(decision, Reason.Pending, "the BuildPool was deleted", recheck=1.0)
    request = build_request(replace(engine, build=build), wanted, model_size)
    job = build_job(request, pool, build, settings, rebuild=engine.open_rebuild)
    try:
        created = await cluster.create_job(job)
    except Invalid as error:
        return _refused(decision, error)
    except Forbidden as error:
        # A quota, or a namespace on its way out: it may pass without anybody touching the engine.
        message = f"the build Job cannot be created: {error.message}"
        return _instead(decision, Reason.Queued, message, back_off=True)
    logger.info("build", extra={"identity": wanted.identity, "job": job["metadata"]["name"], "new": created})
    if created:
        return decision
    # Somebody was faster; whether their Job answers a rebuild request is for the next pass to see.
    defers = decision.plan.state is State.READY
    return replace(decision, plan=replace(decision.plan, action=JobAction.NONE, defers_rebuild=defers))


def _instead(
    decision: Decision, reason: Reason, message: str, *, recheck: float | None = None, back_off: bool = False
) -> Decision:
    if decision.plan.state is State.READY:
        return _still_published(decision, message)
    plan = Plan(state=State.QUEUED, reason=reason, message=message, recheck=recheck, back_off=back_off)
    return replace(decision, plan=plan)


def _still_published(decision: Decision, why: str) -> Decision:
    message = f"published; the requested rebuild is pending: {why}"
    plan = replace(
        decision.plan,
        action=JobAction.NONE,
        message=message,
        defers_rebuild=True,
        recheck=None,
        back_off=True,
    )
    return replace(decision, plan=plan)


def _refused(decision: Decision, error: KubeError) -> Decision:
    message = (
        f"the API server rejected the build Job, so the BuildPool or spec.build is invalid: {error.message}"
    )
    if decision.plan.state is State.READY:
        return _still_published(decision, message)
    plan = Plan(
        state=State.UNBUILDABLE, reason=Reason.InvalidRequest, message=message, stalled=True, back_off=True
    )
    return replace(decision, plan=plan)
