"""The life of a target as a table: a snapshot in, a plan out."""

from dataclasses import replace

import pytest

from fakeworld import make_manifest
from ignition_hub.api.quotas import StorageUse
from ignition_hub.compatibility.tenants import Scheduling, Tenant
from ignition_hub.controller.policy.decide import decide
from ignition_hub.controller.policy.views import (
    BuildParameters,
    BuildProgress,
    EarlierTarget,
    EngineSnapshot,
    JobAction,
    JobSnapshot,
    JobState,
    Patience,
    QueuePosition,
    ResolvedTarget,
    TargetSnapshot,
    TensorRTRequest,
    Trouble,
)
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import Target, identity_of
from ignition_hub.engine.state import State
from storefixtures import make_inputs

INPUTS = make_inputs(gpu_arch="sm_86")
IDENTITY = identity_of(INPUTS)
TARGET = Target("sm-86", "sm_86", None, "SameComputeCapability")
WANTED = ResolvedTarget(identity=IDENTITY, inputs=INPUTS, pool="rtx", tier="Bulk")
MANIFEST = make_manifest(INPUTS, IDENTITY)
AWAY = Trouble(Reason.StoreUnavailable, "s3.example.com does not answer", unknown=True)
GONE = Trouble(Reason.SourceNotFound, "s3://models/a.onnx does not exist")
FULL = StorageUse("vision", 2048, 1024)
FORBIDDEN = Trouble(Reason.SourceForbidden, "not yours")


def engine(**changes):
    values = {
        "namespace": "vision",
        "name": "resnet50",
        "uid": "u1",
        "generation": 1,
        "created": 1000.0,
        "model_name": "resnet50",
        "model_version": "v1",
        "source_uri": "s3://models/resnet50.onnx",
        "source_sha256": None,
        "precision": "fp16",
        "profiles": (),
        "tensorrt": TensorRTRequest(),
        "targets": (TARGET,),
        "options": {},
        "verification": {},
        "build": BuildParameters(),
    }
    return EngineSnapshot(**{**values, **changes})


def told(state, *, generation=1, identity=IDENTITY, reason="", source=None, **changes):
    """An engine whose status says that its target is in a state."""
    document = {"name": "sm-86", "state": state, "message": "as before"}
    earlier = EarlierTarget(state=state, reason=reason, identity=identity, source=source, document=document)
    return engine(earlier={"sm-86": earlier}, observed_generation=generation, **changes)


def job(state=JobState.ACTIVE, **changes):
    values = {"name": "ignition-build-1", "uid": "j1", "state": state, "age": 10.0}
    return JobSnapshot(**{**values, **changes})


def snapshot(**changes):
    values = {"target": TARGET, "engine": engine(), "wanted": WANTED}
    return TargetSnapshot(**{**values, **changes})


FAILED = job(JobState.FAILED, failure=Trouble(Reason.UnsupportedOperator, "node 7"))
LATE = job(JobState.FAILED, failure=Trouble(Reason.DeadlineExceeded, "too slow"), timeout_seconds=60)
TRIED = job(JobState.FAILED, failure=Trouble(Reason.StoreUnavailable, "away"), ended_after_retries=1)
COMPLETE = job(JobState.COMPLETE, finished=2000.0)


@pytest.mark.parametrize(
    ("view", "state", "reason", "action"),
    [
        pytest.param(
            snapshot(), State.BUILDING, "Building", JobAction.CREATE_JOB, id="nothing exists: build"
        ),
        pytest.param(
            snapshot(manifest=MANIFEST),
            State.READY,
            "Reused",
            JobAction.NONE,
            id="in the store: reuse, no Job",
        ),
        pytest.param(
            snapshot(manifest=MANIFEST, job=COMPLETE),
            State.READY,
            "Built",
            JobAction.NONE,
            id="Job complete: built",
        ),
        pytest.param(snapshot(job=job()), State.BUILDING, "Building", JobAction.NONE, id="Job at work: wait"),
        pytest.param(
            snapshot(job=job(JobState.SUSPENDED)),
            State.QUEUED,
            "Queued",
            JobAction.NONE,
            id="Kueue holds the Job",
        ),
        pytest.param(
            snapshot(job=job(obstacle=Trouble(Reason.ImageUnavailable, "no such tag"))),
            State.QUEUED,
            "ImageUnavailable",
            JobAction.NONE,
            id="no image: say so while waiting",
        ),
        pytest.param(
            snapshot(job=job(JobState.GOING)),
            State.PENDING,
            "Pending",
            JobAction.NONE,
            id="old Job still there",
        ),
        pytest.param(
            snapshot(job=FAILED), State.FAILED, "UnsupportedOperator", JobAction.NONE, id="Job failed"
        ),
        pytest.param(
            snapshot(job=FAILED, engine=told("Failed")),
            State.FAILED,
            "UnsupportedOperator",
            JobAction.NONE,
            id="a told failure stays",
        ),
        pytest.param(
            snapshot(job=FAILED, engine=told("Failed", generation=0)),
            State.PENDING,
            "Pending",
            JobAction.DELETE_JOB,
            id="spec changed after a told failure: start again",
        ),
        pytest.param(
            snapshot(job=FAILED, engine=told("Failed", rebuild="now")),
            State.PENDING,
            "Pending",
            JobAction.DELETE_JOB,
            id="rebuild asked after a told failure: start again",
        ),
        pytest.param(
            snapshot(job=FAILED, engine=told("Pending", generation=0)),
            State.FAILED,
            "UnsupportedOperator",
            JobAction.NONE,
            id="a failure nobody was told of is told, not retried",
        ),
        pytest.param(
            snapshot(job=FAILED, engine=told("Failed", generation=0, identity="0" * 64)),
            State.FAILED,
            "UnsupportedOperator",
            JobAction.NONE,
            id="another identity's failure restarts nothing",
        ),
        pytest.param(
            snapshot(job=LATE),
            State.PENDING,
            "Pending",
            JobAction.DELETE_JOB,
            id="the deadline that passed is shorter than this resource's: build again",
        ),
        pytest.param(
            snapshot(job=LATE, engine=engine(build=BuildParameters(patience=Patience(60, 2)))),
            State.FAILED,
            "DeadlineExceeded",
            JobAction.NONE,
            id="the deadline that passed is this resource's own",
        ),
        pytest.param(
            snapshot(job=TRIED),
            State.PENDING,
            "Pending",
            JobAction.DELETE_JOB,
            id="given up after fewer retries than this resource asks for: build again",
        ),
        pytest.param(
            snapshot(job=TRIED, engine=engine(build=BuildParameters(patience=Patience(7200, 1)))),
            State.FAILED,
            "StoreUnavailable",
            JobAction.NONE,
            id="given up after as many retries as this resource asks for",
        ),
        pytest.param(
            snapshot(job=replace(FAILED, timeout_seconds=60)),
            State.FAILED,
            "UnsupportedOperator",
            JobAction.NONE,
            id="another verdict of a Job with a shorter deadline stands",
        ),
        pytest.param(
            snapshot(engine=told("Failed", reason="BuildFailed")),
            State.FAILED,
            "BuildFailed",
            JobAction.NONE,
            id="Job collected: its verdict remains",
        ),
        pytest.param(
            snapshot(engine=told("Failed", reason="BuildFailed", identity="0" * 64)),
            State.BUILDING,
            "Building",
            JobAction.CREATE_JOB,
            id="the model changed: the verdict was on another",
        ),
        pytest.param(
            snapshot(engine=told("Failed", reason="BuildFailed", generation=0)),
            State.BUILDING,
            "Building",
            JobAction.CREATE_JOB,
            id="Job collected and spec changed: build",
        ),
        pytest.param(
            snapshot(engine=told("Failed", reason="SourceForbidden")),
            State.BUILDING,
            "Building",
            JobAction.CREATE_JOB,
            id="access was granted: build",
        ),
        pytest.param(
            snapshot(job=COMPLETE, engine=engine(created=2001.0)),
            State.PENDING,
            "Pending",
            JobAction.DELETE_JOB,
            id="complete without an engine, before this resource was made",
        ),
        pytest.param(
            snapshot(job=replace(FAILED, finished=2000.0), engine=engine(created=3000.0)),
            State.PENDING,
            "Pending",
            JobAction.DELETE_JOB,
            id="failed before this resource was made",
        ),
        pytest.param(
            snapshot(job=replace(FAILED, finished=2000.0), engine=engine(created=2000.0)),
            State.FAILED,
            "UnsupportedOperator",
            JobAction.NONE,
            id="failed in the second this resource was made",
        ),
        pytest.param(
            snapshot(job=COMPLETE),
            State.FAILED,
            "BuildFailed",
            JobAction.NONE,
            id="complete without an engine",
        ),
        pytest.param(
            snapshot(job=COMPLETE, engine=told("Ready")),
            State.PENDING,
            "EngineMissing",
            JobAction.DELETE_JOB,
            id="the engine vanished from the store: say so, and remove what stands in the way of a build",
        ),
        pytest.param(
            snapshot(engine=told("Ready")),
            State.PENDING,
            "EngineMissing",
            JobAction.NONE,
            id="the engine vanished when its Job was long gone: say so",
        ),
        pytest.param(
            snapshot(job=job(), engine=told("Ready")),
            State.PENDING,
            "EngineMissing",
            JobAction.NONE,
            id="the engine vanished while another is being built: leave that alone",
        ),
        pytest.param(
            snapshot(engine=told("Pending", reason="EngineMissing")),
            State.BUILDING,
            "Building",
            JobAction.CREATE_JOB,
            id="what was said to be missing is built again",
        ),
        pytest.param(
            snapshot(engine=told("Ready", identity="0" * 64)),
            State.BUILDING,
            "Building",
            JobAction.CREATE_JOB,
            id="the engine of another spec is not missed",
        ),
        pytest.param(
            snapshot(trouble=AWAY), State.PENDING, "StoreUnavailable", JobAction.NONE, id="store away: wait"
        ),
        pytest.param(
            snapshot(trouble=GONE, engine=told("Pending")),
            State.PENDING,
            "SourceNotFound",
            JobAction.NONE,
            id="no model yet: wait",
        ),
        pytest.param(
            snapshot(trouble=FORBIDDEN, engine=told("Ready")),
            State.FAILED,
            "SourceForbidden",
            JobAction.NONE,
            id="access was revoked",
        ),
        pytest.param(
            snapshot(wanted=None, unbuildable=Trouble(Reason.NoPoolForArch, "add a pool")),
            State.UNBUILDABLE,
            "NoPoolForArch",
            JobAction.NONE,
            id="no pool can",
        ),
        pytest.param(
            snapshot(manifest=MANIFEST, possession=Trouble(Reason.ModelDigestMismatch, "other bytes")),
            State.FAILED,
            "ModelDigestMismatch",
            JobAction.NONE,
            id="a digest somebody only knows gives no engine",
        ),
        pytest.param(
            snapshot(manifest=MANIFEST, possession=Trouble(Reason.Verifying, "reading", unknown=True)),
            State.VERIFYING,
            "Verifying",
            JobAction.NONE,
            id="possession is being proven",
        ),
        pytest.param(
            snapshot(refused=Trouble(Reason.ManifestRefused, "unsigned")),
            State.FAILED,
            "ManifestRefused",
            JobAction.NONE,
            id="a manifest nobody signed",
        ),
        pytest.param(
            snapshot(
                refused=Trouble(Reason.ManifestRefused, "unsigned"),
                engine=told("Failed", reason="ManifestRefused", rebuild="now"),
            ),
            State.BUILDING,
            "Building",
            JobAction.CREATE_JOB,
            id="a refused manifest is replaced on request",
        ),
        pytest.param(
            snapshot(engine=engine(suspended=True)),
            State.PENDING,
            "Suspended",
            JobAction.NONE,
            id="suspended",
        ),
        pytest.param(
            snapshot(engine=engine(suspended=True), manifest=MANIFEST),
            State.READY,
            "Reused",
            JobAction.NONE,
            id="suspended, but there",
        ),
        pytest.param(
            snapshot(full_quota=FULL, queue_position=QueuePosition(3, 2)),
            State.PENDING,
            "StorageQuotaExceeded",
            JobAction.NONE,
            id="quota full",
        ),
        pytest.param(
            snapshot(full_quota=FULL, manifest=MANIFEST),
            State.READY,
            "Reused",
            JobAction.NONE,
            id="quota full, but there",
        ),
        pytest.param(
            snapshot(full_quota=FULL, job=job()),
            State.BUILDING,
            "Building",
            JobAction.NONE,
            id="quota full, but at work",
        ),
        pytest.param(
            snapshot(queue_position=QueuePosition(3, 2)),
            State.QUEUED,
            "Queued",
            JobAction.NONE,
            id="pool full",
        ),
    ],
)
def test_what_is_seen_decides_what_is_planned(view, state, reason, action):
    plan = decide(view)

    assert (plan.state, str(plan.reason), plan.action) == (state, reason, action)


@pytest.mark.parametrize("trouble", [AWAY, GONE])
def test_an_engine_that_was_ready_outlives_an_outage_and_its_model(trouble):
    plan = decide(snapshot(trouble=trouble, wanted=None, engine=told("Ready")))

    assert (plan.state, plan.keeps_status) == (State.READY, True)


def test_an_outage_says_nothing_of_a_spec_that_changed():
    plan = decide(snapshot(trouble=AWAY, wanted=None, engine=told("Ready", generation=0)))

    assert (plan.state, plan.unknown, plan.back_off) == (State.PENDING, True, True)


@pytest.mark.parametrize(
    "view",
    [
        snapshot(trouble=FORBIDDEN),
        snapshot(unbuildable=Trouble(Reason.NoPools, "none")),
        snapshot(refused=Trouble(Reason.ManifestRefused, "unsigned")),
        snapshot(job=FAILED),
        snapshot(job=COMPLETE),
    ],
)
def test_what_only_a_person_can_change_is_stalled_and_asks_for_no_further_look(view):
    plan = decide(view)

    assert plan.stalled
    assert plan.recheck is None


@pytest.mark.parametrize(
    ("created", "asker", "source"),
    [
        (1999.0, "somebody", "Built"),
        (2000.0, "resnet50", "Built"),
        (2000.0, "somebody", "Remote"),
        (2001.0, "resnet50", "Remote"),
    ],
)
def test_built_means_that_this_resource_was_there_before_the_build_ended(created, asker, source):
    complete = replace(COMPLETE, namespace="vision", resource=asker)

    assert decide(snapshot(manifest=MANIFEST, job=complete, engine=engine(created=created))).source == source


def test_the_source_once_told_does_not_change_when_the_job_is_collected():
    view = snapshot(manifest=MANIFEST, engine=told("Ready", source="Built"))

    assert decide(view).source == "Built"


def test_progress_is_passed_on():
    assert decide(snapshot(job=job(progress=BuildProgress("Building", 42)))).progress == BuildProgress(
        "Building", 42
    )


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (0, "this build is next"),
        (1, "at most 1 ahead"),
        (4, "at most 5 ahead"),
        (5000, "more than 1000 ahead"),
    ],
)
def test_a_place_in_the_queue_is_told_in_coarse_steps(ahead, words):
    assert words in decide(snapshot(queue_position=QueuePosition(ahead, 2))).message


def test_a_pool_that_starts_nothing_says_so():
    assert "maxConcurrentBuilds is 0" in decide(snapshot(queue_position=QueuePosition(0, 0))).message


@pytest.mark.parametrize("trouble", [AWAY, GONE])
def test_a_rebuild_that_is_asked_for_while_its_source_or_store_is_away_stays_asked_for(trouble):
    assert decide(snapshot(trouble=trouble, engine=told("Ready", rebuild="now"))).defers_rebuild


EXCESS = Trouble(Reason.TooManyEngines, "namespace vision has more than 2")


def test_a_resource_beyond_the_limit_is_not_worked_on_and_keeps_what_was_ready():
    new = decide(snapshot(trouble=EXCESS))
    ready = decide(snapshot(trouble=EXCESS, engine=told("Ready", reason="Built", rebuild="now")))
    changed = decide(snapshot(trouble=EXCESS, engine=told("Ready", generation=0, reason="Built")))

    assert (new.state, new.reason, new.action) == (State.PENDING, Reason.TooManyEngines, JobAction.NONE)
    assert (new.stalled, new.recheck, new.back_off) == (True, None, False)
    assert (ready.state, ready.keeps_status, ready.defers_rebuild) == (State.READY, True, True)
    assert (changed.state, changed.reason) == (State.PENDING, Reason.TooManyEngines)


def test_who_has_no_room_is_told_how_much_of_what_is_used_and_what_would_work():
    plan = decide(snapshot(full_quota=FULL))

    assert plan.message.startswith(
        "no build is started: namespace vision uses 2Ki of its storage quota of 1Ki: delete TensorRTEngines"
    )
    assert "spec.quotas of the EngineStore" in plan.message
    assert (plan.stalled, plan.recheck) == (True, 60.0)


def test_a_restart_is_written_at_once_so_that_the_next_failure_is_final_again():
    after = decide(snapshot(job=FAILED, engine=told("Failed", rebuild="now")))
    collected = decide(snapshot(engine=told("Failed", reason="BuildFailed", rebuild="now")))

    assert (after.at_once, collected.at_once) == (True, True)


def mismatched(**changes):
    return job(JobState.FAILED, failure=Trouble(Reason.ModelDigestMismatch, "other bytes"), **changes)


@pytest.mark.parametrize(
    "source",
    [
        {"namespace": "squatter", "model_uri": "s3://models/resnet50.onnx"},
        {"namespace": "vision", "model_uri": "s3://models/other.onnx"},
    ],
)
def test_a_build_from_somebody_elses_source_is_no_verdict_on_ours(source):
    plan = decide(snapshot(job=mismatched(**source)))

    assert (plan.state, plan.action) == (State.PENDING, JobAction.DELETE_JOB)


def test_a_build_from_our_own_source_is_a_verdict():
    plan = decide(snapshot(job=mismatched(namespace="vision", model_uri="s3://models/resnet50.onnx")))

    assert (plan.state, plan.reason, plan.action) == (State.FAILED, "ModelDigestMismatch", JobAction.NONE)


def test_a_failure_in_words_of_another_version_still_stands():
    plan = decide(snapshot(engine=told("Failed", reason="NoLongerAReason")))

    assert (plan.state, plan.keeps_status) == (State.FAILED, True)


NAMES_A_QUEUE = BuildParameters(scheduling=Scheduling("vision", "gold"))


@pytest.mark.parametrize(
    "job",
    [None, job(), FAILED, COMPLETE, job(JobState.SUSPENDED), job(JobState.GOING)],
    ids=lambda job: str(job.state) if job else "no Job",
)
def test_a_queue_that_the_namespace_may_not_name_is_refused_whatever_others_build(job):
    plan = decide(snapshot(engine=engine(build=NAMES_A_QUEUE), job=job))

    assert (plan.state, plan.reason, plan.action) == (
        State.UNBUILDABLE,
        Reason.SchedulingForbidden,
        JobAction.NONE,
    )
    assert plan.stalled
    assert plan.message.startswith("spec.build.queueName is gold, but spec.tenants of BuildPool rtx ")


def test_an_engine_that_is_there_needs_no_queue():
    view = snapshot(engine=engine(build=NAMES_A_QUEUE), manifest=MANIFEST)

    assert decide(view).state is State.READY


VISION_FIRST = replace(
    WANTED, tenants=(Tenant(frozenset({"vision"}), "fast"), Tenant(frozenset({"*"}), "slow"))
)


@pytest.mark.parametrize(
    "held_back",
    [
        {"state": JobState.SUSPENDED},
        {"obstacle": Trouble(Reason.Unschedulable, "no node has room for its class")},
        {"obstacle": Trouble(Reason.Queued, "a quota of its class is used up")},
    ],
)
def test_a_job_that_waits_by_a_later_entry_makes_way_for_one_by_an_earlier_entry(held_back):
    held = job(tenant="audio", pool="rtx", **held_back)
    plan = decide(snapshot(wanted=VISION_FIRST, job=held))

    assert (plan.state, plan.action) == (State.PENDING, JobAction.DELETE_JOB)
    assert plan.message == (
        "the waiting build is being deleted; another will be queued as spec.tenants of rtx says for "
        "namespace vision, whose entry comes before that of audio"
    )


@pytest.mark.parametrize(
    ("changes", "namespace"),
    [
        ({"state": JobState.ACTIVE, "tenant": "audio"}, "vision"),  # what runs is not stopped
        (
            {
                "state": JobState.ACTIVE,
                "tenant": "audio",
                "obstacle": Trouble(Reason.ImageUnavailable, "no such tag"),  # nor is it what holds back
            },
            "vision",
        ),
        ({"tenant": "vision"}, "vision"),
        ({"tenant": "vision"}, "audio"),  # a later entry takes nothing away
        ({"tenant": "audio"}, "lidar"),  # nor does the same
        ({"tenant": "audio", "pool": "another"}, "vision"),  # its own list decided there
    ],
)
def test_no_other_job_makes_way(changes, namespace):
    held = job(**{"state": JobState.SUSPENDED, "pool": "rtx", **changes})

    assert decide(snapshot(wanted=VISION_FIRST, engine=engine(namespace=namespace), job=held)).action is (
        JobAction.NONE
    )


LOCKED = job(JobState.FAILED, failure=Trouble(Reason.UnsupportedOption, "no cache"), timing_cache="Locked")
KILLED = job(JobState.FAILED, failure=Trouble(Reason.OutOfMemory, "of 8Gi"))


@pytest.mark.parametrize(
    ("failed", "mine", "words"),
    [
        (LOCKED, {}, "with build.timingCache: Locked; it is ReadWrite here"),
        (LOCKED, {"timing_cache": "Off"}, "with build.timingCache: Locked; it is Off here"),
        (KILLED, {"low_memory": True}, "without build.lowMemory; it is true here"),
    ],
)
def test_a_build_that_failed_by_the_settings_of_others_is_no_verdict_on_ours(failed, mine, words):
    plan = decide(snapshot(job=failed, engine=told("Building", build=BuildParameters(**mine))))

    assert (plan.state, plan.action, plan.at_once) == (State.PENDING, JobAction.DELETE_JOB, True)
    assert plan.message == f"a shared build failed {words}: another build will start"


@pytest.mark.parametrize(
    ("failed", "mine"),
    [
        (LOCKED, {"timing_cache": "Locked"}),
        (replace(LOCKED, timing_cache="ReadOnly"), {}),
        (replace(LOCKED, failure=Trouble(Reason.InvalidModel, "no layers")), {}),
        (KILLED, {}),
        (replace(KILLED, low_memory=True), {"low_memory": True}),
    ],
)
def test_a_build_that_failed_as_ours_would_is_a_verdict(failed, mine):
    plan = decide(snapshot(job=failed, engine=told("Building", build=BuildParameters(**mine))))

    assert (plan.state, plan.reason, plan.action) == (State.FAILED, failed.failure.reason, JobAction.NONE)
