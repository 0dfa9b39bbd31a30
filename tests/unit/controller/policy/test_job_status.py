"""The builder Job, as it is read back from its status, its annotations and its pods."""

import json

import pytest

from fakeworld import IMAGE, make_pool, make_request
from ignition_hub.controller.policy.build_job import JobSettings, build_job
from ignition_hub.controller.policy.job_status import (
    failure_of,
    obstacle_of,
    pods_are_late,
    state_of,
    view_of,
)
from ignition_hub.controller.policy.views import BuildParameters, BuildProgress, JobState
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.names import ANNOTATION_FAILURE, ANNOTATION_PROGRESS, ANNOTATION_REQUEST
from mutants import FEW, of_bytes, of_document, survey

SETTINGS = JobSettings(gateway_url="https://gateway.example.com")
REQUEST = make_request()


def stored(*conditions, annotations=None, **status):
    """A Job as the API server returns it."""
    metadata = build_job(REQUEST, make_pool(), BuildParameters(), SETTINGS)["metadata"]
    return {
        "metadata": {
            **metadata,
            "uid": "j1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "annotations": {**metadata["annotations"], **(annotations or {})},
        },
        "spec": {"activeDeadlineSeconds": 600, "backoffLimit": 2},
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
    snapshot = view_of(stored(annotations=annotations), now=1767225660.0)

    assert snapshot.age == 60.0
    assert snapshot.progress == BuildProgress("Building", 100)
    assert (snapshot.namespace, snapshot.resource, snapshot.pool) == ("vision", "resnet50", "rtx")


def test_a_job_tells_how_long_ago_it_ended():
    ended = {"type": "Complete", "lastTransitionTime": "2026-01-01T00:01:00Z"}

    assert view_of(stored(ended), now=1767225680.0).ended_for == 20.0
    assert view_of(stored(), now=1767225680.0).ended_for == 0.0


def test_a_job_tells_how_long_it_may_take_and_whether_it_ran_out_of_retries():
    given_up = {"type": "Failed", "reason": "BackoffLimitExceeded"}

    assert view_of(stored(), now=0.0).timeout_seconds == 600
    assert view_of(stored(given_up), now=0.0).ended_after_retries == 2
    assert view_of(stored(FAILED), now=0.0).ended_after_retries is None
    assert view_of(stored(), now=0.0).ended_after_retries is None


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


def limited(pod, memory):
    return pod | {"spec": {"containers": [{"name": "builder", "resources": {"limits": {"memory": memory}}}]}}


def told(reason, message, code):
    return {ANNOTATION_FAILURE: json.dumps({"reason": reason, "message": message, "exitCode": code})}


FAILED = {"type": "Failed", "reason": "PodFailurePolicy", "message": "container failed"}
TOLD = told("UnsupportedOperator", "node 7", 11)
OOM = {"exitCode": 137, "reason": "OOMKilled"}
OOM_SAID = OOM | {"message": json.dumps({"reason": "OutOfMemory", "message": "at its limit of 12 MiB"})}
SAID = {"exitCode": 13, "message": json.dumps({"reason": "InvalidProfile", "message": "no input x"})}


@pytest.mark.parametrize(
    ("condition", "annotations", "pods", "reason", "words"),
    [
        pytest.param(FAILED, TOLD, [], "UnsupportedOperator", "node 7", id="told"),
        pytest.param(
            FAILED,
            TOLD,
            [pod(terminated={"exitCode": 11})],
            "UnsupportedOperator",
            "node 7",
            id="told, seen",
        ),
        pytest.param(FAILED, TOLD, [pod(terminated=OOM)], "OutOfMemory", "memory limit", id="not as told"),
        pytest.param(FAILED, {}, [limited(pod(terminated=OOM), "2Gi")], "OutOfMemory", "of 2Gi", id="limit"),
        pytest.param(
            FAILED, {}, [pod(terminated=OOM_SAID)], "OutOfMemory", "12 MiB", id="OOM and last words"
        ),
        pytest.param(
            FAILED, {}, [pod(terminated={"exitCode": 137})], "Crashed", "killed with SIGKILL", id="SIGKILL"
        ),
        pytest.param(FAILED, {}, [pod(terminated=SAID)], "InvalidProfile", "no input x", id="last words"),
        pytest.param(
            FAILED,
            {},
            [pod(terminated={"exitCode": 20})],
            "WrongGPU",
            "exited with code 20",
            id="exit code alone",
        ),
        pytest.param(FAILED, {}, [pod(terminated={"exitCode": 77})], "Crashed", "77", id="unknown code"),
        pytest.param(FAILED, {}, [], "BuildFailed", "container failed", id="no witness"),
        pytest.param(
            {"type": "Failed", "reason": "DeadlineExceeded"},
            told("StoreUnavailable", "store away", 31),
            [pod(terminated={"exitCode": 31})],
            "DeadlineExceeded",
            "timed out after 600 s (before that: store away)",
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


WORDS = {"reason": "OutOfMemory", "message": "out of memory", "exitCode": 137}


@pytest.mark.parametrize("mutants", [of_document, of_bytes])
def test_whatever_the_last_words_of_a_builder_and_the_annotations_of_its_job_are_there_is_a_reason(mutants):
    """Only a builder that was taken over, with its model, writes others."""
    origin = WORDS if mutants is of_document else json.dumps(WORDS).encode()

    def read(data):
        text = data.decode("utf-8", "replace")
        annotations = dict.fromkeys((ANNOTATION_PROGRESS, ANNOTATION_FAILURE, ANNOTATION_REQUEST), text)
        job = stored({"type": "Failed"}, annotations=annotations)
        ended = pod(terminated={"exitCode": 1, "message": text})
        return view_of(job, now=0.0), failure_of(job, []), failure_of(job, [ended])

    def has_a_reason(_, found):
        view, *troubles = found
        assert all(one.reason in Reason and isinstance(one.message, str) and one.message for one in troubles)
        assert view.progress is None or 0 <= view.progress.percent <= 100

    found = survey("last words", 71, mutants(origin, 71, FEW), read, has_a_reason)

    assert found.accepted == FEW


@pytest.mark.parametrize("percent", ["1e999", "-1e999", "NaN", "9" * 400])
def test_a_percentage_that_is_no_number_of_percent_is_cut_to_one(percent):
    text = f'{{"phase": "Building", "percent": {percent}}}'

    assert view_of(stored(annotations={ANNOTATION_PROGRESS: text}), now=0.0).progress.percent in {0, 100}
