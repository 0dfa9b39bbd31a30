"""Whether a pod runs the engines that it would get today, by its own word and the status of its engines."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ignition_hub.compatibility.served_pods import LATE, Standing, standing_of, what_runs
from ignition_hub.controller.policy.rollout import BETWEEN_ROLLOUTS
from ignition_hub.engine.names import ANNOTATION_REBUILD, INIT_CONTAINER

OLD, NEW, OTHER = "0" * 64, "1" * 64, "2" * 64
READY = "2026-01-01T00:00:00Z"


def after(seconds):
    return (datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


EARLY, IN_TIME = after(-60), after(LATE)


def pod(*digests, engines="resnet", product="NVIDIA-L4", started=EARLY, created=EARLY, **status):
    message = json.dumps({"arch": "sm_89", "product": product, "engines": [each[:16] for each in digests]})
    ended = {"exitCode": 0, "message": message, "startedAt": started, "finishedAt": after(3600)}
    return {
        "metadata": {
            "name": "server-0",
            "annotations": {"ignitionhub.io/engines": engines},
            "creationTimestamp": created,
        },
        "status": {
            "initContainerStatuses": [{"name": INIT_CONTAINER, "state": {"terminated": ended}}],
            **status,
        },
    }


def target(sha256, *, arch="sm_89", state="Ready", **more):
    published = {"identity": sha256, "uri": "s3://engines/x", "sha256": sha256} if state == "Ready" else {}
    told = {"lastTransitionTime": READY, **published, **more}
    return {"name": arch, "gpuArch": arch, "state": state, **told}


def engine(*targets, observed=2, rebuild=None, handled=None):
    return {
        "metadata": {
            "name": "resnet",
            "generation": 2,
            "annotations": {ANNOTATION_REBUILD: rebuild} if rebuild else {},
        },
        "status": {"observedGeneration": observed, "targets": list(targets), "lastHandledRebuild": handled},
    }


def standing(of, **engines):
    return standing_of(of, engines.get)


def test_a_pod_with_the_engine_of_today_is_current():
    assert standing(pod(NEW), resnet=engine(target(NEW))) is Standing.CURRENT


def test_a_pod_with_another_engine_is_stale():
    assert standing(pod(OLD), resnet=engine(target(NEW))) is Standing.STALE


def test_a_change_for_a_gpu_that_the_pod_is_not_on_leaves_it_current():
    changed = engine(target(NEW, arch="sm_90"), target(OLD))

    assert standing(pod(OLD), resnet=changed) is Standing.CURRENT


def test_a_spec_that_was_rolled_back_makes_the_pods_of_the_later_one_stale():
    assert standing(pod(NEW), resnet=engine(target(OLD))) is Standing.STALE


def test_an_engine_that_the_gateway_gives_where_the_best_is_damaged_is_of_today():
    ready = engine(target(NEW, product="NVIDIA-L4", compatibility="Product"), target(OTHER))

    assert standing(pod(OTHER), resnet=ready) is Standing.CURRENT
    assert standing(pod(OLD), resnet=ready) is Standing.STALE


@pytest.mark.parametrize(
    "unready",
    [
        None,
        engine(),
        engine(target(NEW, state="Building")),
        engine(target(NEW, state="Failed")),
        engine(target(NEW, arch="sm_90")),
        engine(target(NEW, product="NVIDIA-L40S", compatibility="Product")),
        engine(target(NEW), observed=1),
        engine(target(NEW), rebuild="b", handled="a"),
    ],
    ids=["deleted", "no target", "building", "failed", "other GPU", "other product", "old", "rebuilding"],
)
def test_a_pod_whose_engine_is_not_ready_for_its_gpu_is_unserved(unready):
    assert standing(pod(OLD), resnet=unready) is Standing.UNSERVED


def test_a_pod_with_the_onnx_model_is_stale_once_its_gpu_has_an_engine_and_current_before():
    assert standing(pod(""), resnet=engine(target(NEW))) is Standing.STALE
    for none in (None, engine(), engine(target(NEW, state="Building")), engine(target(NEW, arch="sm_90"))):
        assert standing(pod(""), resnet=none) is Standing.CURRENT


def test_a_pod_that_has_the_model_of_an_engine_that_was_ready_before_it_asked_would_get_that_again():
    refused = engine(target(NEW), target(OTHER, product="NVIDIA-L4", compatibility="Product"))

    assert standing(pod("", started=IN_TIME), resnet=refused) is Standing.CURRENT
    assert standing(pod(NEW, "", engines="a, b", started=IN_TIME), a=engine(target(NEW)), b=refused) is (
        Standing.CURRENT
    )
    assert standing(pod(OLD, "", engines="a, b", started=IN_TIME), a=engine(target(NEW)), b=refused) is (
        Standing.STALE
    )


def test_a_pod_that_asked_a_gateway_which_may_have_been_late_is_restarted_and_the_next_has_asked_in_time():
    ready = engine(target(NEW))

    assert standing(pod("", started=after(LATE - 1)), resnet=ready) is Standing.STALE
    assert standing(pod("", started=after(BETWEEN_ROLLOUTS)), resnet=ready) is Standing.CURRENT


@pytest.mark.parametrize(
    "came",
    [
        target(NEW, lastTransitionTime=after(3600)),
        target(NEW, newest={"identity": NEW, "sha256": NEW, "builtAt": after(3600)}),
    ],
    ids=["became ready", "was replaced while it was ready"],
)
def test_a_pod_with_the_model_is_restarted_for_an_engine_that_came_later_beside_one_that_was_refused(came):
    refused = target(OLD)

    assert standing(pod("", started=IN_TIME), resnet=engine(refused)) is Standing.CURRENT
    assert standing(pod("", started=IN_TIME), resnet=engine(refused, came)) is Standing.STALE


def test_a_fetch_without_a_time_began_with_its_pod_and_without_any_time_nothing_is_restarted():
    undated, ready = target(NEW, lastTransitionTime=None), engine(target(NEW))

    assert standing(pod("", started=None), resnet=ready) is Standing.STALE
    assert standing(pod("", started=None, created=IN_TIME), resnet=ready) is Standing.CURRENT
    assert standing(pod("", started=None, created=None), resnet=ready) is Standing.CURRENT
    assert standing(pod(""), resnet=engine(undated)) is Standing.CURRENT
    assert standing(pod(OLD, started=None, created=None), resnet=engine(undated)) is Standing.STALE


def test_a_pod_with_an_engine_and_a_model_waits_for_what_it_would_lose():
    both = pod(NEW, "", engines="resnet, det=yolo")

    assert standing(both, resnet=engine(target(NEW)), yolo=engine()) is Standing.CURRENT
    assert standing(both, resnet=engine(target(NEW)), yolo=engine(target(OLD))) is Standing.STALE
    assert standing(both, resnet=engine(), yolo=engine(target(OLD))) is Standing.UNSERVED


def test_a_rebuild_that_was_answered_is_of_today():
    assert standing(pod(OLD), resnet=engine(target(NEW), rebuild="b", handled="b")) is Standing.STALE


def test_a_slice_is_served_by_what_was_built_for_such_a_slice():
    card, cut = "NVIDIA-A100-SXM4-40GB", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb"
    ready = engine(
        target(NEW, arch="sm_80", product=cut, compatibility="Product"),
        target(OTHER, arch="sm_80", product=card, compatibility="Product"),
    )
    on_a_slice = pod(NEW, product=cut)
    message = on_a_slice["status"]["initContainerStatuses"][0]["state"]["terminated"]
    message["message"] = message["message"].replace("sm_89", "sm_80")

    assert standing(on_a_slice, resnet=ready) is Standing.CURRENT
    assert standing(on_a_slice, resnet=engine(ready["status"]["targets"][1])) is Standing.UNSERVED


def test_an_engine_for_another_platform_is_none_of_the_pods():
    on_x86, on_arm = target(OLD, platform="linux-x86_64"), target(NEW, platform="linux-aarch64")
    building = target(OLD, state="Building", platform="linux-x86_64")
    x86, untold = pod(OLD), pod(OLD)
    message = x86["status"]["initContainerStatuses"][0]["state"]["terminated"]
    message["message"] = message["message"].replace("{", '{"platform": "linux-x86_64", ')

    assert standing(x86, resnet=engine(on_x86, on_arm)) is Standing.CURRENT
    assert standing(x86, resnet=engine(building, on_arm)) is Standing.UNSERVED
    assert standing(x86, resnet=engine(target(OTHER, platform="linux-x86_64"), on_arm)) is Standing.STALE
    assert standing(untold, resnet=engine(on_x86, on_arm)) is Standing.CURRENT


def test_one_stale_engine_of_several_makes_a_pod_stale_and_one_that_is_not_ready_keeps_it():
    two = pod(NEW, OLD, engines="resnet, det=yolo")

    assert standing(two, resnet=engine(target(NEW)), yolo=engine(target(NEW))) is Standing.STALE
    assert standing(two, resnet=engine(target(NEW)), yolo=engine()) is Standing.UNSERVED


@pytest.mark.parametrize(
    "message", ["", "NoEngineForGPU: no", "[]", '{"arch": "sm_89"}', "[" * 5000, '{"arch": 8}']
)
def test_a_message_that_says_no_engines_is_no_word_of_a_pod(message):
    silent = pod(OLD)
    silent["status"]["initContainerStatuses"][0]["state"]["terminated"]["message"] = message

    assert what_runs(silent) is None
    assert standing(silent, resnet=engine(target(NEW))) is Standing.SILENT


def test_a_pod_that_names_other_engines_than_it_has_fetched_says_nothing():
    assert standing(pod(OLD, engines="a, b"), a=engine(target(NEW))) is Standing.SILENT


def test_a_pod_that_failed_to_fetch_or_has_ended_or_goes_says_nothing():
    failed, ended, going = pod(OLD), pod(OLD, phase="Succeeded"), pod(OLD)
    failed["status"]["initContainerStatuses"][0]["state"]["terminated"]["exitCode"] = 41
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert [what_runs(each) for each in (failed, ended, going, {**pod(OLD), "status": {}})] == [None] * 4
