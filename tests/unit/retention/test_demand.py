"""What resources and pods use, as the API server has it; and for how long the store keeps the rest."""

import pytest

from ignition_hub.api.v1alpha1 import Retention as Schema
from ignition_hub.retention.demand import Demand, claim_of, epoch_of, running_pod_of
from ignition_hub.retention.durations import DAY, Retention

IDENTITY = "12" * 32


def body(*, targets=({"identity": IDENTITY},), generation=2, observed=2, wanted=1, **spec):
    return {
        "metadata": {"namespace": "vision", "name": "resnet", "generation": generation},
        "spec": {
            "model": {"name": "resnet50", "source": {"uri": "s3://engines/ignition/models/vision/x.onnx"}},
            "targets": [{"gpuArch": "sm_89"}] * wanted,
            **spec,
        },
        "status": {"observedGeneration": observed, "targets": list(targets)},
    }


def test_a_resource_uses_what_its_status_names_and_every_address_in_its_specification():
    newest = {"identity": IDENTITY, "newest": {"identity": "34" * 32}}
    options = {"calibration": {"source": {"uri": "s3://engines/calibration.npz", "sha256": "0" * 64}}}

    claim = claim_of(body(targets=[newest], options=options, deletionPolicy="Delete"))

    assert claim.identities == {"12" * 8, "34" * 8}
    assert claim.uris == {"s3://engines/ignition/models/vision/x.onnx", "s3://engines/calibration.npz"}
    assert (claim.namespace, claim.name, claim.model) == ("vision", "resnet", "resnet50")
    assert claim.is_settled
    assert claim.deletes


@pytest.mark.parametrize(
    "changes",
    [
        {"observed": 1},
        {"targets": ()},
        {"targets": ({"state": "Unbuildable"},)},
        {"targets": ({"state": "Unbuildable"}, {"identity": IDENTITY, "autoBuild": {"pool": "l4"}})},
        {"wanted": 2},
        {"targets": ("of a later release",)},
    ],
    ids=str,
)
def test_a_resource_whose_identities_are_not_all_known_may_want_any_engine_of_its_model(changes):
    claim = claim_of(body(**changes))

    demand = Demand([claim], [])
    assert not claim.is_settled
    assert demand.may_want_any("resnet50")
    assert not demand.may_want_any("yolo")


def test_a_resource_without_a_status_is_read_too():
    fresh = {"metadata": {"namespace": "a", "name": "b", "generation": 1}, "spec": {"model": {"name": "m"}}}

    assert not claim_of(fresh).is_settled


def test_a_pod_uses_the_engines_of_its_annotation_until_it_has_ended():
    metadata = {
        "namespace": "vision",
        "annotations": {"ignitionhub.io/engines": "resnet, detector=yolo"},
        "creationTimestamp": "2026-01-02T03:04:05Z",
    }

    pod = running_pod_of({"metadata": metadata, "status": {"phase": "Pending"}})

    assert pod is not None
    assert (pod.namespace, pod.resources, pod.created) == ("vision", ("resnet", "yolo"), 1767323045.0)
    assert running_pod_of({"metadata": metadata, "status": {"phase": "Succeeded"}}) is None


def test_a_pod_of_unknown_age_counts_as_older_than_everything():
    pod = running_pod_of({"metadata": {"annotations": {"ignitionhub.io/engines": "gone"}}})

    assert epoch_of("yesterday") == 0.0
    assert pod is not None
    assert Demand([], [pod]).has_pod_before("any model", 1.0)


def test_an_address_is_named_by_itself_or_by_a_folder_above_it():
    demand = Demand([claim_of(body(model={"name": "m", "source": {"uri": "s3://engines/models/v/"}}))], [])

    assert demand.names("s3://engines/models/v/digest/weights.bin")
    assert not demand.names("s3://engines/models/vision/digest/weights.bin")
    assert not demand.names("s3://other/models/v/digest/weights.bin")


def test_the_defaults_are_those_of_the_schema():
    assert Retention.of({"retention": Schema().model_dump(by_alias=True, exclude_none=True)}) == Retention()
    assert Retention.of({}) == Retention()


def test_a_duration_is_read_for_each_class():
    asked = dict.fromkeys(Schema().model_dump(by_alias=True), "48h")

    retention = Retention.of({"retention": {**asked, "ofALaterRelease": "1h"}})

    assert {getattr(retention, name) for name in Retention.__slots__} == {2 * DAY}
