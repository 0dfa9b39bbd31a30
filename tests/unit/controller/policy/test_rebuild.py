"""Building a published engine anew: it stays Ready meanwhile; no request is lost or answered twice."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

from fakeworld import make_engine, make_manifest, make_pool
from ignition_hub.api.quotas import StorageUse
from ignition_hub.controller.apply import apply
from ignition_hub.controller.policy.build_job import KEPT_SECONDS, JobSettings
from ignition_hub.controller.policy.decide import decide
from ignition_hub.controller.policy.parsing import engine_snapshot
from ignition_hub.controller.policy.rebuild import SHARED_PAUSE
from ignition_hub.controller.policy.status import Decision, engine_status
from ignition_hub.controller.policy.views import (
    BuildParameters,
    JobAction,
    JobSnapshot,
    JobState,
    Patience,
    QueuePosition,
    ResolvedTarget,
    TargetSnapshot,
    Trouble,
)
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.names import ANNOTATION_REBUILD, ANNOTATION_REQUEST
from ignition_hub.engine.state import State
from ignition_hub.kube import Forbidden, Invalid
from storefixtures import make_inputs

INPUTS = make_inputs(gpu_arch="sm_86")
IDENTITY = identity_of(INPUTS)
WANTED = ResolvedTarget(identity=IDENTITY, inputs=INPUTS, pool="rtx", tier="Bulk")
MANIFEST = make_manifest(INPUTS, IDENTITY)
NO = Trouble(Reason.BuildFailed, "TensorRT said no")
NOW = "2026-01-01T00:00:00Z"


def engine(*, rebuild="again", handled=None, state="Ready", **spec):
    """An engine whose status tells of one target."""
    body = make_engine(**spec)
    [name] = [target.name for target in engine_snapshot(as_stored(body)).targets]
    entry = {"name": name, "state": state, "identity": IDENTITY, "reason": "Built", "source": "Built"}
    status = {"observedGeneration": 1, "targets": [entry], "lastHandledRebuild": handled}
    body["metadata"]["annotations"] = {ANNOTATION_REBUILD: rebuild} if rebuild else {}
    return engine_snapshot(as_stored(body, **{key: value for key, value in status.items() if value}))


def as_stored(body, **status):
    metadata = {**body["metadata"], "generation": 1, "uid": "u", "creationTimestamp": NOW}
    return {**body, "metadata": metadata, "status": status}


def job(state, *, rebuild=None):
    failure = NO if state is JobState.FAILED else None
    return JobSnapshot(name="j", uid="u", state=state, age=9.0, rebuild=rebuild, failure=failure)


def snapshot(an_engine, **changes):
    values = {"target": an_engine.targets[0], "engine": an_engine, "wanted": WANTED, "manifest": MANIFEST}
    return TargetSnapshot(**{**values, **changes})


def handled_after(*views):
    decisions = [Decision(view, decide(view)) for view in views]
    return engine_status(views[0].engine, decisions, NOW).get("lastHandledRebuild")


def test_a_ready_target_is_built_anew_and_stays_ready():
    view = snapshot(engine())
    plan = decide(view)

    assert (plan.state, plan.action, plan.manifest) == (State.READY, JobAction.CREATE_JOB, MANIFEST)
    assert plan.message == "published; the requested rebuild replaces it when it is complete"
    assert handled_after(view) == "again"


@pytest.mark.parametrize("state", list(JobState))
def test_a_request_is_answered_by_one_job(state):
    plan = decide(snapshot(engine(handled="again"), job=job(state, rebuild="again")))
    again = decide(snapshot(engine(), job=job(state, rebuild="again")))

    assert plan == again
    assert (plan.state, plan.action, plan.defers_rebuild) == (State.READY, JobAction.NONE, False)


def test_a_handled_request_without_its_job_is_over():
    plan = decide(snapshot(engine(handled="again")))

    assert (plan.state, plan.action, plan.message) == (State.READY, JobAction.NONE, "built and published")


@pytest.mark.parametrize(
    ("changes", "action", "words"),
    [
        ({"job": job(JobState.COMPLETE)}, JobAction.DELETE_JOB, "replaces it"),
        ({"job": job(JobState.FAILED, rebuild="earlier")}, JobAction.DELETE_JOB, "replaces it"),
        ({"job": job(JobState.ACTIVE)}, JobAction.NONE, "pending: an earlier build is active"),
        (
            {"job": job(JobState.ACTIVE, rebuild="earlier")},
            JobAction.NONE,
            "pending: an earlier build is active",
        ),
        ({"job": job(JobState.GOING)}, JobAction.NONE, "pending: an earlier build is active"),
        ({"queue_position": QueuePosition(0, 1)}, JobAction.NONE, "queued in its BuildPool"),
        (
            {"full_quota": StorageUse("vision", 2048, 1024)},
            JobAction.NONE,
            "pending: namespace vision uses 2Ki of its storage quota of 1Ki",
        ),
    ],
)
def test_a_request_that_must_wait_is_not_called_handled(changes, action, words):
    view = snapshot(engine(), **changes)
    plan = decide(view)

    assert (plan.state, plan.action) == (State.READY, action)
    assert words in plan.message
    assert plan.recheck is not None
    assert handled_after(view) is None
    assert handled_after(snapshot(engine(handled="before"), **changes)) == "before"


@pytest.mark.parametrize("state", [JobState.COMPLETE, JobState.FAILED])
def test_an_engine_that_namespaces_share_is_rebuilt_some_minutes_after_its_last_build(state):
    ended = replace(job(state, rebuild="earlier"), ended_for=SHARED_PAUSE - 60)
    view = snapshot(engine(), job=ended, is_shared=True)
    plan = decide(view)

    assert (plan.state, plan.action, plan.recheck) == (State.READY, JobAction.NONE, 60)
    assert plan.message == (
        "published; the requested rebuild is pending: other namespaces use this engine, "
        "which is rebuilt 10 minutes after its last build at the earliest"
    )
    assert handled_after(view) is None
    due = snapshot(engine(), job=replace(ended, ended_for=SHARED_PAUSE), is_shared=True)
    assert decide(due).action is JobAction.DELETE_JOB
    assert decide(replace(view, is_shared=False)).action is JobAction.DELETE_JOB


ATTEMPTED = (
    "other namespaces wait for this engine too, which is built again 10 minutes after its last build ended "
    "at the earliest"
)


def failed_once(state=JobState.FAILED, *, minutes=4, is_shared=True, an_engine=None):
    ended = replace(job(state), ended_for=minutes * 60.0)
    return snapshot(an_engine or engine(state="Failed"), manifest=None, job=ended, is_shared=is_shared)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        (JobState.FAILED, "TensorRT said no"),
        (JobState.COMPLETE, "the store holds no manifest of this engine"),
    ],
)
def test_a_build_that_failed_for_several_namespaces_is_tried_again_some_minutes_after_it_ended(state, why):
    plan = decide(failed_once(state))

    assert (plan.state, plan.action, plan.stalled, plan.recheck) == (
        State.FAILED,
        JobAction.NONE,
        False,
        360.0,
    )
    assert why in plan.message
    assert plan.message.endswith(f"; the requested rebuild is pending: {ATTEMPTED}")
    assert handled_after(failed_once(state)) is None
    assert decide(failed_once(state, minutes=10)).action is JobAction.DELETE_JOB
    assert decide(failed_once(state, is_shared=False)).action is JobAction.DELETE_JOB


def test_a_change_of_the_spec_does_not_start_a_shared_build_again_so_soon_and_says_what_will():
    changed = replace(engine(state="Failed", rebuild=None), generation=2)
    plan = decide(failed_once(an_engine=changed))

    assert (plan.state, plan.action, plan.stalled) == (State.FAILED, JobAction.NONE, True)
    assert plan.message == (
        f"TensorRT said no; {ATTEMPTED}, when it is requested: annotate this resource with "
        "ignitionhub.io/rebuild-requested-at"
    )
    assert decide(failed_once(an_engine=changed, is_shared=False)).action is JobAction.DELETE_JOB


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.COMPLETE])
def test_a_resource_that_is_applied_after_a_shared_build_failed_waits_for_its_turn_to_try(state):
    fresh = replace(engine(rebuild=None), earlier={}, observed_generation=-1, created=100.0)
    before = replace(job(state), ended_for=240.0, finished=50.0)
    first = decide(snapshot(fresh, manifest=None, job=before, is_shared=True))
    assert (first.state, first.action, first.recheck) == (State.PENDING, JobAction.NONE, 360.0)
    assert first.message == f"an earlier build left no engine; {ATTEMPTED}"

    told = replace(engine(rebuild=None, state="Pending"), created=100.0)
    due = replace(before, ended_for=600.0)
    assert decide(snapshot(told, manifest=None, job=due, is_shared=True)).action is JobAction.DELETE_JOB
    alone = decide(snapshot(fresh, manifest=None, job=before))
    assert alone.action is JobAction.DELETE_JOB


def test_a_job_is_kept_for_longer_than_a_rebuild_may_have_to_wait():
    assert SHARED_PAUSE < KEPT_SECONDS


def test_a_rebuild_in_a_queue_that_may_not_be_named_waits_until_it_may():
    view = snapshot(engine(build={"queueName": "gold"}))
    plan = decide(view)

    assert (plan.state, plan.action) == (State.READY, JobAction.NONE)
    assert plan.message.startswith(
        "published; the requested rebuild is refused: spec.build.queueName is gold"
    )
    assert handled_after(view) is None


def test_while_suspended_a_request_waits():
    view = snapshot(engine(suspend=True))

    assert decide(view).action is JobAction.NONE
    assert "spec.suspend" in decide(view).message
    assert handled_after(view) is None


def test_one_target_that_waits_keeps_the_request_open_for_all():
    begun = snapshot(engine(), job=job(JobState.ACTIVE, rebuild="again"))

    assert handled_after(begun) == "again"
    assert handled_after(begun, snapshot(engine(), queue_position=QueuePosition(1, 1))) is None


def test_a_rebuild_that_fails_leaves_what_was_published_and_says_why():
    plan = decide(snapshot(engine(handled="again"), job=job(JobState.FAILED, rebuild="again")))

    assert (plan.state, plan.manifest) == (State.READY, MANIFEST)
    assert plan.message == "published; the requested rebuild failed: BuildFailed: TensorRT said no"


def test_a_failure_that_answers_an_open_request_is_final():
    failed = engine(state="Failed")

    anew = decide(snapshot(failed, manifest=None, job=job(JobState.FAILED)))
    final = decide(snapshot(failed, manifest=None, job=job(JobState.FAILED, rebuild="again")))

    assert anew.action is JobAction.DELETE_JOB
    assert (final.state, final.action) == (State.FAILED, JobAction.NONE)


def test_a_fresh_resource_that_finds_its_engine_builds_nothing():
    view = snapshot(engine(state="Pending"))

    assert decide(view).action is JobAction.NONE
    assert decide(view).state is State.READY
    assert handled_after(view) == "again"


class FakeCluster:
    """Takes a Job, finds that there is one already, or refuses it."""

    def __init__(self, answer):
        self.answer = answer
        self.pools = SimpleNamespace(get=lambda namespace, name: make_pool(name))
        self.created = []

    async def create_job(self, body):
        if isinstance(self.answer, Exception):
            raise self.answer
        self.created.append(body)
        return self.answer


async def applied(cluster):
    view = snapshot(engine())
    settings = JobSettings("https://gateway.svc")
    build = BuildParameters(patience=Patience(9000, 5))
    return await apply(cluster, settings, Decision(view, decide(view)), 1000, build)


async def test_the_job_and_its_request_have_the_patience_of_all_who_wait():
    cluster = FakeCluster(True)
    await applied(cluster)
    (body,) = cluster.created

    assert (body["spec"]["activeDeadlineSeconds"], body["spec"]["backoffLimit"]) == (9000, 5)
    assert json.loads(body["metadata"]["annotations"][ANNOTATION_REQUEST])["timeout_seconds"] == 9000


async def test_the_job_carries_the_request():
    cluster = FakeCluster(True)

    decision = await applied(cluster)

    assert cluster.created[0]["metadata"]["annotations"][ANNOTATION_REBUILD] == "again"
    assert not decision.plan.defers_rebuild


async def test_a_job_of_somebody_else_does_not_answer_the_request():
    decision = await applied(FakeCluster(False))

    assert (decision.plan.state, decision.plan.action, decision.plan.defers_rebuild) == (
        State.READY,
        JobAction.NONE,
        True,
    )


@pytest.mark.parametrize("error", [Forbidden(403, "exceeded quota"), Invalid(422, "bad tolerations")])
async def test_a_job_that_is_refused_does_not_take_the_engine_away(error):
    decision = await applied(FakeCluster(error))

    assert decision.plan.state is State.READY
    assert decision.plan.defers_rebuild
    assert decision.plan.back_off
    assert error.message in decision.plan.message
