"""The builder Job: built from a pool and a request, read back from its status and its pods."""

import json

import pytest

from fakeworld import IMAGE, make_pool
from ignition_hub.controller.jobs import (
    JobSettings,
    build_job,
    failure_of,
    failure_policy,
    obstacle_of,
    pods_are_late,
    state_of,
    view_of,
    work_bytes,
)
from ignition_hub.controller.views import BuildWish, JobState, Progress
from ignition_hub.engine.errors import EXITS, Reason
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.names import (
    ANNOTATION_FAILURE,
    ANNOTATION_PROGRESS,
    ANNOTATION_REBUILD,
    ANNOTATION_REQUEST,
)
from ignition_hub.engine.request import BuildRequest
from storefixtures import make_inputs

SETTINGS = JobSettings(gateway_url="https://gateway.example.com")
INPUTS = make_inputs(gpu_arch="sm_86")
REQUEST = BuildRequest(
    identity=identity_of(INPUTS),
    inputs=INPUTS,
    model_sha256=None,
    model_uri="s3://models/resnet50.onnx",
    source_size=100,
    options={},
    verification={},
    timeout_seconds=600,
    low_memory=False,
    name="resnet50.trt",
    namespace="vision",
    engine_resource="resnet50",
)


def job(build=BuildWish(timeout_seconds=600, retries=1), **pool):  # noqa: B008  # frozen
    return build_job(REQUEST, make_pool(**pool), build, SETTINGS)


def pod_spec(**pool):
    return job(**pool)["spec"]["template"]["spec"]


def test_a_job_is_named_by_its_identity_and_carries_its_request():
    body = job()

    assert body["metadata"]["name"] == f"ignition-build-{REQUEST.identity[:32]}"
    assert body["metadata"]["labels"]["ignitionhub.io/identity"] == REQUEST.identity[:32]
    assert json.loads(body["metadata"]["annotations"][ANNOTATION_REQUEST]) == REQUEST.to_json()


def test_a_job_carries_the_rebuild_request_it_answers_and_tells_it_again():
    body = build_job(REQUEST, make_pool(), BuildWish(), SETTINGS, rebuild="2026-01-01T00:00:00Z")

    assert body["metadata"]["annotations"][ANNOTATION_REBUILD] == "2026-01-01T00:00:00Z"
    assert view_of(body, now=0.0).rebuild == "2026-01-01T00:00:00Z"
    assert ANNOTATION_REBUILD not in job()["metadata"]["annotations"]
    assert view_of(job(), now=0.0).rebuild is None


def test_a_job_has_bounds():
    spec = job()["spec"]

    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (1, 600)
    assert spec["ttlSecondsAfterFinished"] > 0


def test_hopeless_codes_fail_the_job_and_disruptions_do_not_count():
    hopeless, disruption = failure_policy()["rules"]

    values = hopeless["onExitCodes"]["values"]
    assert set(values) == {row.builder for row in EXITS.values() if row.builder and 10 <= row.builder < 30}
    assert hopeless["action"] == "FailJob"
    assert not {30, 31, 32, 33, 137, 143} & set(values)
    assert disruption["action"] == "Ignore"
    assert disruption["onPodConditions"][0]["type"] == "DisruptionTarget"


def test_the_builder_pod_meets_the_restricted_profile():
    spec = pod_spec()
    [container] = spec["containers"]

    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert spec["automountServiceAccountToken"] is False
    assert not [volume for volume in spec["volumes"] if {"hostPath", "secret"} & volume.keys()]


def test_the_only_token_is_for_the_gateway():
    tokens = [volume["projected"]["sources"] for volume in pod_spec()["volumes"] if "projected" in volume]

    assert [source["serviceAccountToken"]["audience"] for [source] in tokens] == ["ignition-hub"]


def test_the_pool_shapes_the_pod():
    spec = pod_spec(
        nodeSelector={"a": "b"},
        tolerations=[{"key": "nvidia.com/gpu", "operator": "Exists"}],
        runtimeClassName="nvidia",
        resources={"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}},
    )

    assert spec["nodeSelector"] == {"a": "b"}
    assert spec["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists"}]
    assert spec["runtimeClassName"] == "nvidia"
    assert spec["containers"][0]["image"] == IMAGE
    assert spec["containers"][0]["resources"] == {"requests": {"cpu": "2"}, "limits": {"memory": "8Gi"}}


@pytest.mark.parametrize(
    ("pool", "limits"),
    [
        ({}, {}),
        ({"aheadOfTime": None, "gpu": {"arch": "sm_89"}}, {"nvidia.com/gpu": 1}),
        (
            {"gpu": {"arch": "sm_80"}, "resources": {"limits": {"nvidia.com/mig-1g.5gb": 1}}},
            {"nvidia.com/mig-1g.5gb": 1},
        ),
    ],
)
def test_only_a_gpu_pool_asks_for_a_gpu_and_only_when_it_names_no_other(pool, limits):
    assert pod_spec(**pool)["containers"][0]["resources"]["limits"] == limits


def test_queue_and_priority_class_are_passed_on_only_when_named():
    plain = job()
    queued = job(BuildWish(queue_name="gpu-builds", priority_class_name="low"))

    assert queued["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "gpu-builds"
    assert queued["spec"]["template"]["spec"]["priorityClassName"] == "low"
    assert "kueue.x-k8s.io/queue-name" not in plain["metadata"]["labels"]
    assert "priorityClassName" not in plain["spec"]["template"]["spec"]


def test_the_work_volume_grows_with_the_model():
    assert work_bytes(None) == 4 * 1024**3
    assert work_bytes(10 * 1024**3) == 60 * 1024**3


def stored(*conditions, annotations=None, **status):
    """A Job as the API server returns it."""
    metadata = job()["metadata"]
    return {
        "metadata": {
            **metadata,
            "uid": "j1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {**metadata["annotations"], **(annotations or {})},
        },
        "spec": {"activeDeadlineSeconds": 600},
        "status": {"conditions": [{"status": "True", **one} for one in conditions], **status},
    }


@pytest.mark.parametrize(
    ("conditions", "state"),
    [
        ([], JobState.ACTIVE),
        ([{"type": "SuccessCriteriaMet"}], JobState.ACTIVE),
        ([{"type": "FailureTarget"}], JobState.ACTIVE),
        ([{"type": "Complete"}], JobState.COMPLETE),
        ([{"type": "Failed"}], JobState.FAILED),
        ([{"type": "Failed", "status": "False"}], JobState.ACTIVE),
    ],
)
def test_a_job_has_ended_when_its_last_pod_is_gone(conditions, state):
    assert state_of(stored(*conditions)) is state


def test_a_job_tells_progress_age_and_who_asked():
    annotations = {ANNOTATION_PROGRESS: json.dumps({"phase": "Building", "percent": 142.7})}
    seen = view_of(stored(annotations=annotations), now=1767225660.0)

    assert seen.age == 60.0
    assert seen.progress == Progress("Building", 100)
    assert (seen.namespace, seen.resource, seen.pool) == ("vision", "resnet50", "rtx")


@pytest.mark.parametrize("text", ["", "no json", "[]", '{"phase": 1}', '{"phase": "x", "percent": "y"}'])
def test_progress_that_cannot_be_read_is_none(text):
    assert view_of(stored(annotations={ANNOTATION_PROGRESS: text}), now=0.0).progress is None


@pytest.mark.parametrize(
    ("age", "ready", "late"), [(1.0, None, False), (60.0, None, True), (60.0, 0, True), (60.0, 1, False)]
)
def test_a_pod_is_late_when_it_does_not_run_in_time(age, ready, late):
    assert pods_are_late(stored(ready=ready), age) is late


def pod(*, terminated=None, waiting=None, conditions=(), at="2026-01-01T00:00:09Z"):
    ended = {"terminated": {"finishedAt": at, **terminated}} if terminated else {}
    state = ended or ({"waiting": waiting} if waiting else {})
    container = {"name": "builder", "image": IMAGE, "state": state}
    return {"metadata": {}, "status": {"containerStatuses": [container], "conditions": list(conditions)}}


def told(reason, message, code):
    return {ANNOTATION_FAILURE: json.dumps({"reason": reason, "message": message, "exitCode": code})}


FAILED = {"type": "Failed", "reason": "PodFailurePolicy", "message": "container failed"}
TOLD = told("UnsupportedOperator", "node 7", 11)
OOM = {"exitCode": 137, "reason": "OOMKilled"}
SAID = {"exitCode": 13, "message": json.dumps({"reason": "InvalidProfile", "message": "no input x"})}


@pytest.mark.parametrize(
    ("condition", "annotations", "pods", "reason", "words"),
    [
        pytest.param(FAILED, TOLD, [], "UnsupportedOperator", "node 7", id="told"),
        pytest.param(
            FAILED, TOLD, [pod(terminated={"exitCode": 11})], "UnsupportedOperator", "node 7", id="told, seen"
        ),
        pytest.param(FAILED, TOLD, [pod(terminated=OOM)], "OutOfMemory", "memory limit", id="not as told"),
        pytest.param(
            FAILED, {}, [pod(terminated={"exitCode": 137})], "Crashed", "killed from outside", id="SIGKILL"
        ),
        pytest.param(FAILED, {}, [pod(terminated=SAID)], "InvalidProfile", "no input x", id="last words"),
        pytest.param(
            FAILED, {}, [pod(terminated={"exitCode": 20})], "WrongGPU", "exit code 20", id="exit code alone"
        ),
        pytest.param(FAILED, {}, [pod(terminated={"exitCode": 77})], "Crashed", "77", id="unknown code"),
        pytest.param(FAILED, {}, [], "BuildFailed", "container failed", id="no witness"),
        pytest.param(
            {"type": "Failed", "reason": "DeadlineExceeded"},
            told("StoreUnavailable", "store away", 31),
            [pod(terminated={"exitCode": 31})],
            "DeadlineExceeded",
            "not built within 600 s (before that: store away)",
            id="deadline",
        ),
        pytest.param(FAILED, told("NoSuchReason", "odd", 99), [], "BuildFailed", "odd", id="unknown reason"),
    ],
)
def test_why_a_build_failed_comes_from_the_most_truthful_witness(condition, annotations, pods, reason, words):
    failure = failure_of(stored(condition, annotations=annotations), pods)

    assert failure.reason == reason
    assert words in failure.message


def test_of_several_attempts_the_last_one_counts():
    first = pod(terminated={"exitCode": 30}, at="2026-01-01T00:00:01Z")
    last = pod(terminated=OOM, at="2026-01-01T00:00:02Z")

    assert failure_of(stored(FAILED), [last, first]).reason is Reason.OutOfMemory


@pytest.mark.parametrize(
    ("pods", "reason", "words"),
    [
        ([], "Queued", "has not created the builder pod"),
        (
            [pod(waiting={"reason": "ImagePullBackOff", "message": "no such tag"})],
            "ImageUnavailable",
            "no such tag",
        ),
        (
            [pod(conditions=[{"type": "PodScheduled", "status": "False", "message": "0/3 nodes"}])],
            "Unschedulable",
            "0/3 nodes",
        ),
    ],
)
def test_what_keeps_a_pod_from_running_is_told(pods, reason, words):
    obstacle = obstacle_of(pods)

    assert obstacle is not None
    assert obstacle.reason == reason
    assert words in obstacle.message


def test_a_pod_that_is_being_created_is_no_obstacle():
    assert obstacle_of([pod(waiting={"reason": "ContainerCreating"})]) is None
