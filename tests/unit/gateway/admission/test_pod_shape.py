"""Whatever is sent as a pod, admission answers or refuses it by the part that is wrong."""

import contextlib
import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine.errors import ContractError
from ignition_hub.gateway.admission.injection import InjectionSettings
from ignition_hub.gateway.admission.review import review

READY = EngineView("bert", (ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRT"),))
WAITING = EngineView("whisper", failure="no such model")
ENGINES = {view.name: view for view in (READY, WAITING)}
SETTINGS = InjectionSettings(fetcher_image="fetcher:1", gateway_url="https://gateway.svc")
TERM = {"matchExpressions": [{"key": "zone", "operator": "Exists"}], "matchFields": []}


def pod(engines="bert"):
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]}}
    return {
        "kind": "Pod",
        "metadata": {
            "labels": {"ignitionhub.io/inject": "true"},
            "annotations": {"ignitionhub.io/engines": engines, "ignitionhub.io/containers": "app"},
        },
        "spec": {
            "containers": [
                {
                    "name": "app",
                    "env": [{"name": "A", "value": "1"}],
                    "volumeMounts": [{"name": "data", "mountPath": "/data"}],
                }
            ],
            "initContainers": [{"name": "migrate"}],
            "volumes": [{"name": "data"}],
            "schedulingGates": [{"name": "quota"}],
            "securityContext": {"runAsUser": 1000},
            "affinity": {"nodeAffinity": required},
        },
    }


def answer_to(document):
    request = {"uid": "u1", "namespace": "vision", "operation": "CREATE", "object": document}
    body = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}
    return review(body, lambda _: ENGINES, SETTINGS)["response"]


def places(value, path=()):
    """Yield the path of every part of a document."""
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        yield (*path, key)
        yield from places(part, (*path, key))


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@pytest.mark.parametrize("engines", ["bert", "whisper"])
def test_a_pod_is_answered(engines):
    assert answer_to(pod(engines))["allowed"]


@given(st.sampled_from(["bert", "whisper"]), st.sampled_from(sorted(places(pod()), key=str)), JUNK)
def test_a_pod_with_anything_in_any_place_is_answered_or_refused(engines, place, junk):
    document = copy.deepcopy(pod(engines))
    *parents, last = place
    at = document
    for step in parents:
        at = at[step]
    at[last] = junk

    with contextlib.suppress(ContractError):
        assert answer_to(document)["uid"] == "u1"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": None}, "request.object.spec: expected an object, got NoneType"),
        ({"spec": {"containers": {}}}, "request.object.spec.containers: expected a list, got dict"),
        (
            {"spec": {"containers": [{}]}},
            "request.object.spec.containers[0].name: expected a string, got NoneType",
        ),
        ({"metadata": {"labels": []}}, "request.object.metadata.labels: expected an object, got list"),
    ],
)
def test_the_part_that_is_wrong_is_named(change, words):
    with pytest.raises(ContractError) as refused:
        answer_to({**pod(), **change})

    assert str(refused.value) == words
