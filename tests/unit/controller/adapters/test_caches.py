"""Jobs are counted by pool, engines by namespace, and gated pods found by their engines: come, change, go."""

import random
from collections import Counter
from typing import Any
from unittest import mock

import pytest

from ignition_hub.controller.adapters import job_cache
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.engine_cache import Engines
from ignition_hub.controller.adapters.job_cache import AT_WORK, Jobs
from ignition_hub.controller.adapters.pod_cache import WaitingPods
from ignition_hub.controller.adapters.rolling_pods import RollingPods
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.engine.names import INIT_CONTAINER, LABEL_IDENTITY, LABEL_POOL
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.kube import Object

COMPLETE = [{"type": "Complete", "status": "True"}]
FAILED = [{"type": "Failed", "status": "True"}]


def job(name: str, version: int, *, pool: str = "rtx", identity: str = "", **parts: Any) -> Object:
    labels = {LABEL_POOL: pool, LABEL_IDENTITY: identity or name}
    metadata = {"name": name, "namespace": "builds", "labels": labels, "resourceVersion": str(version)}
    if parts.pop("going", False):
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    conditions = parts.pop("conditions", [])
    return {"metadata": metadata, "spec": parts, "status": {"conditions": conditions}}


def test_a_job_takes_a_place_until_it_ends() -> None:
    jobs = Jobs()
    jobs.put(job("a", 1))
    jobs.put(job("b", 2, suspend=True))
    jobs.put(job("c", 3, going=True))
    assert set(jobs.busy("rtx")) == {"a", "b", "c"}

    jobs.put(job("a", 4, conditions=COMPLETE))
    jobs.put(job("b", 5, conditions=FAILED))
    jobs.drop(job("c", 6))
    assert not jobs.busy("rtx")
    assert jobs.states("rtx") == {"Complete": 1, "Failed": 1}


def stored(name: str, version: int, reason: str, size: int = 0, namespace: str = "vision") -> Object:
    target = {"name": "sm-86", "reason": reason, "identity": f"{len(name):064x}", "sizeBytes": size}
    metadata = {"name": name, "namespace": namespace, "resourceVersion": str(version)}
    return {"metadata": metadata, "status": {"targets": [target]}}


def test_engines_are_counted_by_their_status_and_who_waits_for_room_is_known_in_order() -> None:
    engines = Engines()
    engines.put({"metadata": {"name": "new", "namespace": "vision", "resourceVersion": "1"}})
    engines.put(stored("a", 2, "Built", 100))
    engines.put(stored("bb", 3, "StorageQuotaExceeded"))
    engines.put(stored("ccc", 4, "StorageQuotaExceeded"))
    engines.put(stored("dddd", 5, "StorageQuotaExceeded", namespace="audio"))

    assert engines.sizes.bytes_in("vision") == 100
    assert engines.next_for_room("vision") == "bb"
    engines.put(stored("bb", 6, "Building"))
    assert engines.next_for_room("vision") == "ccc"
    engines.drop(stored("ccc", 7, ""))
    engines.drop(stored("a", 8, ""))
    assert (engines.next_for_room("vision"), engines.sizes.bytes_in("vision")) == (None, 0)
    assert engines.next_for_room("audio") == "dddd"


def aged(name: str, created: str, version: int = 1, **metadata: Any) -> Object:
    known = {"name": name, "namespace": "vision", "uid": name, "resourceVersion": str(version)}
    return {"metadata": {**known, "creationTimestamp": created, **metadata}}


def within(engines: Engines) -> list[str]:
    names = [body["metadata"]["name"] for body in engines]
    return sorted(name for name in names if engines.excess("vision", name) is None)


def test_the_oldest_of_a_namespace_are_within_its_limit_and_in_one_second_the_first_by_name() -> None:
    engines = Engines(most=2)
    for name, created in (
        ("new", "2026-01-03"),
        ("b", "2026-01-02"),
        ("a", "2026-01-02"),
        ("old", "2026-01-01"),
    ):
        engines.put(aged(name, created))

    assert within(engines) == ["a", "old"]
    excess = engines.excess("vision", "b")
    assert excess is not None
    assert (excess.reason, excess.unknown) == ("TooManyEngines", False)
    assert excess.message.startswith("namespace vision has more than 2 TensorRTEngines")
    assert "controller.maxEnginesPerNamespace" in excess.message


def test_a_place_that_is_freed_goes_to_the_next_and_one_that_is_being_deleted_takes_none() -> None:
    engines = Engines(most=2)
    for number in range(4):
        engines.put(aged(f"e{number}", f"2026-01-0{number + 1}"))
    engines.put(aged("e0", "2026-01-01", 2, deletionTimestamp="2026-02-01"))

    assert within(engines) == ["e0", "e1", "e2"]  # what is being deleted is not judged any more
    assert engines.next_for_place("vision") == "e2"
    engines.drop(aged("e0", "2026-01-01", 3))
    engines.drop(aged("e1", "2026-01-02", 4))
    assert within(engines) == ["e2", "e3"]
    assert engines.next_for_place("vision") == "e3"
    engines.drop(aged("e3", "2026-01-04", 5))
    assert engines.next_for_place("vision") is None


def test_without_a_limit_all_are_within_it() -> None:
    engines = Engines()
    for number in range(5):
        engines.put(aged(f"e{number}", "2026-01-01"))
    engines.drop(aged("e0", "2026-01-01", 2))

    assert within(engines) == ["e1", "e2", "e3", "e4"]
    assert engines.next_for_place("vision") is None


def test_after_any_events_the_oldest_are_within_the_limit() -> None:
    chance, engines, there = random.Random(1), Engines(most=5), dict[str, str]()
    for version in range(1, 500):
        name = f"e{chance.randrange(20)}"
        if name in there and chance.random() < 0.6:
            engines.drop(aged(name, there.pop(name), version))
        else:
            there.setdefault(name, f"2026-01-{chance.randrange(1, 29):02d}")
            engines.put(aged(name, there[name], version))
        oldest = sorted(there, key=lambda one: (there[one], one))[:5]
        assert within(engines) == sorted(oldest)


def test_of_a_job_only_what_is_read_is_kept_and_what_was_given_stays_whole() -> None:
    jobs, given = (
        Jobs(),
        job("a", 1, suspend=True, activeDeadlineSeconds=60, backoffLimit=1, template={"spec": {}}),
    )
    given["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    jobs.put(given)
    kept = jobs.get("builds", "a")

    assert kept is not None
    assert kept["spec"] == {"suspend": True, "activeDeadlineSeconds": 60, "backoffLimit": 1}
    assert kept["metadata"] == {
        key: value for key, value in given["metadata"].items() if key != "managedFields"
    }
    assert given["spec"]["template"] == {"spec": {}}


def test_a_pool_that_nobody_knows_has_no_jobs() -> None:
    assert not Jobs().busy("rtx")
    assert Jobs().states("rtx") == {}


def test_jobs_of_one_identity_are_told_apart_when_one_of_them_goes() -> None:
    jobs = Jobs()
    jobs.put(job("a", 1, identity="same"))
    jobs.put(job("b", 2, identity="same"))
    jobs.drop(job("a", 3, identity="same"))

    assert set(jobs.busy("rtx")) == {"same"}


@pytest.mark.parametrize("seed", range(20))
def test_after_any_events_the_counts_are_those_of_a_walk(seed: int) -> None:
    chance, jobs = random.Random(seed), Jobs()
    changes: list[dict[str, Any]] = [
        {},
        {"suspend": True},
        {"going": True},
        {"conditions": COMPLETE},
        {"conditions": FAILED},
    ]
    for version in range(1, 300):
        pool = chance.choice(("rtx", "ampere"))
        body = job(f"job-{chance.randrange(20)}", version, pool=pool, **chance.choice(changes))
        match chance.randrange(8):
            case 0:
                jobs.drop(body)
            case 1:
                kept = [one for one in jobs if chance.random() < 0.7]
                jobs.replace(kept, jobs.versions())
            case _:
                jobs.put(body)

        for pool in ("rtx", "ampere"):
            there = [one for one in jobs if one["metadata"]["labels"][LABEL_POOL] == pool]
            at_work = {one["metadata"]["labels"][LABEL_IDENTITY] for one in there if state_of(one) in AT_WORK}
            assert jobs.states(pool) == Counter(map(state_of, there))
            assert set(jobs.busy(pool)) == at_work
            assert len(jobs.busy(pool)) == len(at_work)


def test_an_event_and_a_question_cost_the_same_however_many_jobs_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs = Jobs()
    for number in range(1000):
        jobs.put(job(f"job-{number}", number + 1))
    calls = 0

    def counted(body: Object) -> Any:
        nonlocal calls
        calls += 1
        return state_of(body)

    monkeypatch.setattr(job_cache, "state_of", counted)
    jobs.put(job("job-0", 2000, conditions=COMPLETE))
    assert len(jobs.busy("rtx")) == 999
    assert jobs.states("rtx")["Complete"] == 1
    assert calls == 2


def pod(name: str, version: int, engines: str, namespace: str = "vision") -> Object:
    annotations = {ANNOTATION_ENGINES.name: engines}
    metadata = {"name": name, "namespace": namespace, "resourceVersion": str(version)}
    return {"metadata": {**metadata, "annotations": annotations}}


def names(pods: list[Object]) -> list[str]:
    return [one["metadata"]["name"] for one in pods]


def test_a_pod_is_found_by_each_engine_it_names_and_by_no_other() -> None:
    pods = WaitingPods()
    pods.put(pod("one", 1, "resnet50, detector=yolo"))
    pods.put(pod("two", 2, "yolo"))

    assert names(pods.waiting_for("vision", "resnet50")) == ["one"]
    assert names(pods.waiting_for("vision", "yolo")) == ["one", "two"]
    assert pods.waiting_for("vision", "detector") == []
    assert pods.waiting_for("speech", "yolo") == []


def test_a_pod_that_changed_or_went_is_found_as_it_is_now() -> None:
    pods = WaitingPods()
    pods.put(pod("one", 1, "resnet50"))
    pods.put(pod("one", 2, "yolo"))
    assert pods.waiting_for("vision", "resnet50") == []
    assert names(pods.waiting_for("vision", "yolo")) == ["one"]

    pods.drop(pod("one", 3, "yolo"))
    assert pods.waiting_for("vision", "yolo") == []
    pods.put(pod("two", 4, "yolo"))
    pods.replace([], pods.versions())
    assert pods.waiting_for("vision", "yolo") == []


@pytest.mark.parametrize("stays", [True, False], ids=["held", "gone"])
async def test_a_job_that_finalizers_hold_keeps_its_place_after_it_was_deleted(stays: bool) -> None:
    kube = mock.AsyncMock()
    kube.delete.return_value = job("a", 2, going=True) if stays else None
    cluster = Cluster(kube, "builds")
    before = job("a", 1)
    before["metadata"]["uid"] = "u"
    cluster.jobs.put(before)

    await cluster.delete_job("a", "u")

    assert set(cluster.busy("rtx")) == ({"a"} if stays else set())


def pod_of(name: str, version: int, created: str) -> Object:
    body = pod(name, version, "resnet50")
    body["metadata"]["creationTimestamp"] = f"2026-01-01T00:00:{created}Z"
    return body


def test_the_pod_that_waits_longest_is_known_whatever_came_changed_or_went_in_between() -> None:
    pods = WaitingPods()
    assert pods.oldest() is None
    for number, created in enumerate(("30", "10", "20"), start=1):
        pods.put(pod_of(f"at-{created}", number, created))
    pods.put(pod_of("at-30", 4, "30"))
    assert pods.oldest() == "2026-01-01T00:00:10Z"

    pods.drop(pod_of("at-10", 5, "10"))
    assert pods.oldest() == "2026-01-01T00:00:20Z"
    pods.replace([], pods.versions())
    assert pods.oldest() is None


def test_a_pod_that_changes_for_days_keeps_the_memory_of_ages_as_large_as_the_pods() -> None:
    pods = WaitingPods()
    pods.put(pod_of("old", 1, "01"))
    for version in range(2, 1000):
        pods.put(pod_of("busy", version, "30"))

    assert len(pods._by_age) < 100
    assert pods.oldest() == "2026-01-01T00:00:01Z"


def engine(name: str, version: int, *standings: tuple[Any, Any]) -> Object:
    targets = [{"name": str(number), "state": s, "reason": r} for number, (s, r) in enumerate(standings)]
    metadata = {"name": name, "namespace": "vision", "resourceVersion": str(version)}
    return {"metadata": metadata, "status": {"targets": targets}}


def test_targets_are_counted_by_state_and_reason_as_engines_come_change_and_go() -> None:
    engines = Engines()
    engines.put({"metadata": {"name": "new", "namespace": "vision", "resourceVersion": "1"}})
    engines.put(engine("a", 2, ("Ready", "Built"), ("Building", "Building")))
    engines.put(engine("b", 3, ("Ready", "Built")))
    assert engines.counts.standings == {("Ready", "Built"): 2, ("Building", "Building"): 1}

    engines.put(engine("a", 4, ("Ready", "Built"), ("Failed", "OutOfMemory")))
    engines.drop(engine("b", 5))
    assert engines.counts.standings == {
        ("Ready", "Built"): 1,
        ("Building", "Building"): 0,
        ("Failed", "OutOfMemory"): 1,
    }


def test_a_status_that_others_wrote_makes_no_series_of_its_words() -> None:
    engines = Engines()
    engines.put(engine("a", 1, ("Rehearsing", "x" * 99), (None, ["list"]), ("Ready", "Built")))

    assert engines.counts.standings == {("Other", "Other"): 2, ("Ready", "Built"): 1}


def test_of_a_pod_that_may_be_restarted_only_what_a_rollout_reads_is_kept() -> None:
    pods = RollingPods()
    fetched, other = {"name": INIT_CONTAINER, "state": {}}, {"name": "migrate", "state": {}}
    named = {ANNOTATION_ENGINES.name: "resnet"}
    pods.put(
        {
            "metadata": {
                "name": "a",
                "namespace": "vision",
                "resourceVersion": "1",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": {**named, "secret": "s"},
            },
            "spec": {"containers": [{"name": "server", "env": [{"name": "PASSWORD", "value": "p"}]}]},
            "status": {"phase": "Running", "initContainerStatuses": [fetched, other]},
        }
    )

    assert pods.all_in("vision") == [
        {
            "metadata": {
                "name": "a",
                "namespace": "vision",
                "resourceVersion": "1",
                "creationTimestamp": "2026-01-01T00:00:00Z",
                "annotations": named,
            },
            "status": {"phase": "Running", "initContainerStatuses": [fetched]},
        }
    ]
    pods.drop({"metadata": {"name": "a", "namespace": "vision", "resourceVersion": "2"}})
    assert (pods.namespaces(), pods.all_in("vision")) == ([], [])
