"""Which workload of a namespace is restarted next for new engines, and what it waits for."""

from datetime import datetime

import pytest

from ignition_hub.compatibility.served_pods import Standing
from ignition_hub.controller.policy.rollout import (
    BETWEEN_ROLLOUTS,
    LOOK_AGAIN,
    LOOK_AT_PAUSED,
    Turn,
    obstacle_of,
    turn_of,
)
from ignition_hub.controller.policy.workloads import ServedPod, Workload, is_of_template
from ignition_hub.engine.names import ANNOTATION_ROLLED
from ignition_hub.engine.pod_annotations import ANNOTATION_ROLLOUT

ROLLED = "2026-01-01T00:00:00Z"
THEN = datetime.fromisoformat(ROLLED).timestamp()
NOW = THEN + 10 * BETWEEN_ROLLOUTS
STALE, CURRENT = ServedPod(Standing.STALE, True), ServedPod(Standing.CURRENT, True)
OLD_STALE, UNSERVED = ServedPod(Standing.STALE, False), ServedPod(Standing.UNSERVED, True)
PROGRESSING = {"conditions": [{"type": "Progressing", "reason": "ReplicaSetUpdated"}]}


def workload(name="server", *pods, kind="Deployment", rollout="Automatic", rolled=None, spec=None, **status):
    said = {ANNOTATION_ROLLOUT.name: rollout, ANNOTATION_ROLLED: rolled}
    annotations = {key: value for key, value in said.items() if value}
    body = {
        "kind": kind,
        "metadata": {"name": name, "generation": 3},
        "spec": {"replicas": 2, "template": {"metadata": {"annotations": annotations}}, **(spec or {})},
        "status": {"observedGeneration": 3, "replicas": 2, "updatedReplicas": 2, **status},
    }
    return Workload(body, pods or (STALE,))


def named(turn):
    return turn.workload and turn.workload.name


def test_a_workload_with_a_stale_pod_is_restarted():
    assert turn_of([workload()], NOW) == Turn(workload(), LOOK_AGAIN)


def test_one_workload_of_a_namespace_is_restarted_at_a_time():
    assert named(turn_of([workload("b"), workload("a")], NOW)) == "a"


@pytest.mark.parametrize(
    ("left_alone", "why", "recheck"),
    [
        (workload(rollout="Manual"), "its template does not ask for rollouts", None),
        (workload(rollout=None), "its template does not ask for rollouts", None),
        (workload(observedGeneration=2), "its last change is not observed yet", LOOK_AGAIN),
        (workload("a", CURRENT), "its pods run the engines of today, or are being replaced", None),
        (workload("a", OLD_STALE, CURRENT), "its pods run the engines of today, or are being replaced", None),
        (
            workload("a", STALE, UNSERVED),
            "not every engine is ready for every GPU that its pods are on",
            None,
        ),
        (workload(spec={"paused": True}), "it is paused", LOOK_AT_PAUSED),
        (workload(kind="Rollout", pauseConditions=[{"reason": "CanaryPauseStep"}]), "it is paused", 60.0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_workload_is_left_alone_while(left_alone, why, recheck):
    assert obstacle_of(left_alone, NOW).why == why
    assert turn_of([left_alone], NOW) == Turn(None, recheck)


def test_a_workload_that_is_deleted_is_left_alone():
    going = workload()
    going.body["metadata"]["deletionTimestamp"] = ROLLED

    assert turn_of([going], NOW) == Turn()


def test_a_workload_rests_for_minutes_between_two_rollouts():
    rolled = workload(rolled=ROLLED)

    assert turn_of([rolled], THEN + 1.0) == Turn(None, BETWEEN_ROLLOUTS - 1.0)
    assert named(turn_of([rolled], THEN + BETWEEN_ROLLOUTS)) == "server"


def test_a_time_that_cannot_be_read_is_no_time():
    assert workload(rolled="yesterday").rolled_at is None


def test_a_rollout_that_has_not_ended_holds_back_the_others_of_its_namespace():
    under_way = workload("a", CURRENT, OLD_STALE, rolled=ROLLED, updatedReplicas=1)

    assert turn_of([under_way, workload("b")], NOW) == Turn(None, LOOK_AGAIN)


def test_a_rollout_that_was_not_made_for_engines_holds_back_none():
    under_way = workload("a", CURRENT, updatedReplicas=1)

    assert named(turn_of([under_way, workload("b")], NOW)) == "b"


def test_two_workloads_whose_rollouts_are_stuck_do_not_keep_each_other_from_the_remedy():
    stuck = [workload(name, STALE, rolled=ROLLED, **PROGRESSING) for name in ("a", "b")]

    assert named(turn_of(stuck, NOW)) == "a"


COMPLETE = {
    "Deployment": {"conditions": [{"type": "Progressing", "reason": "NewReplicaSetAvailable"}]},
    "StatefulSet": {"currentRevision": "b", "updateRevision": "b"},
    "DaemonSet": {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 2},
    "Rollout": {"observedGeneration": "3", "stableRS": "b", "currentPodHash": "b"},
}
INCOMPLETE = [
    ("Deployment", PROGRESSING),
    ("Deployment", {"replicas": 3}),
    ("Deployment", {"updatedReplicas": 1}),
    ("Deployment", {"conditions": [], "availableReplicas": 1}),
    ("StatefulSet", {"currentRevision": "a", "updateRevision": "b"}),
    ("DaemonSet", {"desiredNumberScheduled": 2, "updatedNumberScheduled": 1, "numberAvailable": 2}),
    ("DaemonSet", {"desiredNumberScheduled": 2, "updatedNumberScheduled": 2, "numberAvailable": 1}),
    ("Rollout", {"stableRS": "a", "currentPodHash": "b"}),
]


@pytest.mark.parametrize(("kind", "status"), COMPLETE.items())
def test_a_rollout_of_each_kind_is_complete(kind, status):
    done = workload("a", CURRENT, kind=kind, rolled=ROLLED, **status)

    assert (done.is_observed, done.is_complete) == (True, True)
    assert named(turn_of([done, workload("b")], NOW)) == "b"


@pytest.mark.parametrize(("kind", "status"), INCOMPLETE)
def test_a_rollout_of_each_kind_is_under_way(kind, status):
    assert not workload(kind=kind, **status).is_complete


def test_a_stateful_set_with_a_partition_is_complete_when_what_is_above_it_is():
    partition = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
    revisions = {"currentRevision": "a", "updateRevision": "b"}

    assert workload(kind="StatefulSet", spec=partition, **{**revisions, "updatedReplicas": 1}).is_complete
    assert not workload(kind="StatefulSet", spec=partition, **{**revisions, "updatedReplicas": 0}).is_complete


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_workload_whose_pods_are_replaced_by_hand_holds_back_none(kind):
    by_hand = {"updateStrategy": {"type": "OnDelete"}}
    under_way = {"currentRevision": "a", "updateRevision": "b", "desiredNumberScheduled": 1}

    assert workload(kind=kind, spec=by_hand, **under_way).is_complete


REVISION = "deployment.kubernetes.io/revision"
ARGO = "rollout.argoproj.io/revision"
GENERATION = "deprecated.daemonset.template.generation"


def annotated(kind, **annotations):
    return {"kind": kind, "metadata": {"annotations": annotations}, "status": {"updateRevision": "web-2"}}


@pytest.mark.parametrize(
    ("labels", "owner", "owned"),
    [
        ({}, annotated("ReplicaSet", **{REVISION: "2"}), annotated("Deployment", **{REVISION: "2"})),
        ({}, annotated("ReplicaSet", **{ARGO: "2"}), annotated("Rollout", **{ARGO: "2"})),
        ({"controller-revision-hash": "web-2"}, annotated("StatefulSet"), annotated("StatefulSet")),
        (
            {"pod-template-generation": "2"},
            annotated("DaemonSet", **{GENERATION: "2"}),
            annotated("DaemonSet", **{GENERATION: "2"}),
        ),
    ],
    ids=["Deployment", "Rollout", "StatefulSet", "DaemonSet"],
)
def test_a_pod_is_of_the_present_template_by_the_revision_of_its_owner(labels, owner, owned):
    later = {**owned, "status": {"updateRevision": "web-3"}}
    later["metadata"] = {"annotations": dict.fromkeys(owned["metadata"]["annotations"], "3")}

    assert is_of_template({"metadata": {"labels": labels}}, owner, owned)
    assert not is_of_template({"metadata": {"labels": labels}}, owner, later)
