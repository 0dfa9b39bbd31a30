"""Gated pods are found by the engines that their annotation names."""

from ignition_hub.controller.adapters.pod_cache import WaitingPods
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.kube import Object


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
