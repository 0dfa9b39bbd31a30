"""What a pod is given whose engine is not there: it waits, falls back or fails."""

import dataclasses

import pytest

from ignition_hub.compatibility.readiness import EngineView
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.names import LABEL_WAITING, SCHEDULING_GATE
from ignition_hub.gateway.admission.author_warnings import warnings_about
from ignition_hub.gateway.admission.injection import inject
from injectedpods import ENGINES, MIB, READY, SETTINGS, WHY, applied, pod, refusal


def test_an_on_miss_that_there_is_not_is_refused_with_those_that_there_are():
    message = refusal(pod(on_miss="fail"))

    assert "unknown value 'fail'" in message
    assert message.endswith("use one of: Wait, Fallback, Fail")


PINNED = EngineView("detr", READY.ready, can_fall_back=True)
PINNED_WAITING = EngineView("sam", can_fall_back=True)
PINNED_FAILED = EngineView("clip", failure=WHY, can_fall_back=True)
FALLBACKS = {view.name: view for view in (PINNED, PINNED_WAITING, PINNED_FAILED, READY)}


@pytest.mark.parametrize("engines", ["detr", "sam", "clip", "detr, sam, clip"])
def test_a_pod_that_falls_back_may_go_to_any_node_at_once(engines):
    asked = pod(engines, on_miss="Fallback")

    given = applied(asked, inject(asked, FALLBACKS, SETTINGS))

    assert "schedulingGates" not in given["spec"]
    assert "affinity" not in given["spec"]
    assert LABEL_WAITING not in given["metadata"]["labels"]
    assert warnings_about(asked, FALLBACKS, SETTINGS) == []


def test_a_pod_that_falls_back_is_told_where_its_model_would_be():
    asked = pod("a-b=detr", on_miss="Fallback", mount_path="/models/trt")

    given = applied(asked, inject(asked, FALLBACKS, SETTINGS))["spec"]

    assert {one["name"]: one["value"] for one in given["containers"][0]["env"]} == {
        "IGNITION_ENGINE_A_B": "/models/trt/a-b/model.engine",
        "IGNITION_MODEL_A_B": "/models/trt/a-b/onnx/model.onnx",
    }
    told = {one["name"]: one["value"] for one in given["initContainers"][0]["env"]}
    assert told["IGNITION_ON_MISS"] == "Fallback"


def test_a_pod_does_not_fall_back_to_a_model_that_it_could_not_verify():
    message = refusal_of(pod("detr, arcface-r100", on_miss="Fallback"), FALLBACKS)

    assert "TensorRTEngine arcface-r100 names no digest of it" in message
    assert "pin its SHA-256 in spec.model.source.sha256" in message
    assert "kubectl ignition push" in message


def refusal_of(document, engines):
    with pytest.raises(RequestError) as refused:
        inject(document, engines, SETTINGS)
    return str(refused.value)


def test_the_volume_of_a_pod_that_falls_back_has_room_for_the_largest_model():
    engine = dataclasses.replace(PINNED, ready=(dataclasses.replace(READY.ready[0], size=MIB),))

    def limit(**annotations):
        given = inject(pod("detr", **annotations), {"detr": engine}, SETTINGS)
        [folder] = [one for one in given if one["path"] == "/spec/volumes"]
        return folder["value"][0]["emptyDir"]["sizeLimit"]

    assert limit() == "66Mi"
    assert limit(on_miss="Fallback") == f"{2 * 16 * 1024 + 64}Mi"


def test_a_pod_that_was_printed_while_it_waited_is_not_held_when_it_falls_back():
    waited = pod(
        "sam",
        labels={"ignitionhub.io/inject": "true", LABEL_WAITING: "true"},
        spec={"schedulingGates": [{"name": "example.com/quota"}, {"name": SCHEDULING_GATE}]},
        on_miss="Fallback",
    )

    given = applied(waited, inject(waited, FALLBACKS, SETTINGS))

    assert given["spec"]["schedulingGates"] == [{"name": "example.com/quota"}]
    assert LABEL_WAITING not in given["metadata"]["labels"]


def test_a_pod_does_not_fall_back_to_a_model_in_a_layout_of_engines():
    message = refusal_of(pod("detr", on_miss="Fallback", layout="triton"), FALLBACKS)

    assert "Fallback delivers the ONNX model, which has no layout triton" in message
    assert "use layout plain, or Wait" in message


def test_a_pod_that_would_rather_fail_is_refused_when_its_engine_never_comes():
    message = refusal(pod("whisper", on_miss="Fail"))

    assert "TensorRTEngine whisper has no ready target and will not get one" in message
    assert "kubectl describe tensorrtengine whisper says why" in message
    assert WHY not in message


def test_a_pod_that_waits_is_warned_when_its_engine_never_comes():
    assert warnings_about(pod("whisper"), ENGINES, SETTINGS) == [
        "the pod will wait: TensorRTEngine whisper has failed: "
        "kubectl describe tensorrtengine whisper says why"
    ]
    assert warnings_about(pod("bert"), ENGINES, SETTINGS) == []
