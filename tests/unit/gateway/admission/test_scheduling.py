"""Which nodes a pod may go to, and when it is held until it has an engine."""

import json

import pytest

from ignition_hub.compatibility.node_terms import terms_for
from ignition_hub.compatibility.placement import affinity_for, reach_of, required_terms
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine.names import LABEL_WAITING, SCHEDULING_GATE
from ignition_hub.gateway.admission.author_warnings import warnings_about
from ignition_hub.gateway.admission.injection import inject
from injectedpods import ENGINES, READY, SETTINGS, applied, injected, pod
from nodeaffinity import admits


def test_a_pod_that_holds_the_gate_keeps_it_though_its_engine_is_ready_now():
    document = injected(pod("bert"))
    ready = {**ENGINES, "bert": EngineView("bert", READY.ready)}

    assert inject(document, ready, SETTINGS) == []


def test_a_printed_pod_that_was_released_before_is_narrowed_again_and_never_widened():
    document = pod(spec={"affinity": affinity_for([EngineView("arcface-r100", READY.ready)])})
    other = ReadyTarget("sm_86", None, "SameComputeCapability", "TensorRT")
    engines = {"arcface-r100": EngineView("arcface-r100", (*READY.ready, other))}

    document = applied(document, inject(document, engines, SETTINGS))

    terms = required_terms(document["spec"]["affinity"])
    assert terms
    assert all(any(requires(term, old) for old in terms_for(reach_of(READY))) for term in terms)
    assert inject(document, engines, SETTINGS) == []


def requires(term, other):
    return all(expression in term["matchExpressions"] for expression in other["matchExpressions"])


def test_a_pod_whose_engines_are_ready_is_steered_and_not_held():
    document = injected(pod())

    assert "schedulingGates" not in document["spec"]
    assert LABEL_WAITING not in document["metadata"]["labels"]
    assert "sm_89" in json.dumps(document["spec"]["affinity"])


def test_a_pod_that_has_to_wait_is_held_by_a_gate_and_can_be_found_by_label():
    document = injected(pod("arcface-r100, bert", spec={"schedulingGates": [{"name": "example.com/quota"}]}))

    assert document["spec"]["schedulingGates"] == [{"name": "example.com/quota"}, {"name": SCHEDULING_GATE}]
    assert document["metadata"]["labels"][LABEL_WAITING] == "true"
    assert "affinity" not in document["spec"]


def test_a_pod_that_selects_another_gpu_than_is_ready_waits_for_an_engine_of_its_own():
    # Narrowed to the nodes of the one that is ready, no node would be left, and nothing widens an affinity.
    asked = pod(spec={"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-A10"}})

    given = injected(asked)

    assert given["spec"]["schedulingGates"] == [{"name": SCHEDULING_GATE}]
    assert given["metadata"]["labels"][LABEL_WAITING] == "true"
    assert "affinity" not in given["spec"]
    [warning] = warnings_about(asked, ENGINES, SETTINGS)
    assert warning.startswith(
        "the pod will wait: its node selector and node affinity leave NVIDIA-A10 (sm_86), and "
        "arcface-r100 is ready for sm_89: add a target for that GPU"
    )


def test_a_pod_is_warned_when_its_engines_have_no_gpu_in_common():
    other = EngineView("hopper", (ReadyTarget("sm_90", None, "SameComputeCapability", "TensorRT"),))
    engines = {**ENGINES, "hopper": other}

    assert warnings_about(pod("arcface-r100, hopper"), engines, SETTINGS) == [
        "the pod will wait: no GPU can run all of: arcface-r100, hopper"
    ]
    assert {"name": SCHEDULING_GATE} in applied(
        pod("arcface-r100, hopper"), inject(pod("arcface-r100, hopper"), engines, SETTINGS)
    )["spec"]["schedulingGates"]


def requesting(resource):
    return pod("yolo-v8", spec={"containers": [{"name": "app", "resources": {"limits": {resource: "1"}}}]})


def test_a_pod_that_requests_a_slice_waits_rather_than_get_the_engine_of_a_card():
    card, cut = requesting("nvidia.com/gpu"), requesting("nvidia.com/mig-1g.6gb")

    assert "schedulingGates" not in injected(card)["spec"]
    assert injected(cut)["spec"]["schedulingGates"] == [{"name": SCHEDULING_GATE}]
    assert warnings_about(card, ENGINES, SETTINGS) == []
    assert warnings_about(cut, ENGINES, SETTINGS) == [
        "the pod will wait: no GPU that the pod requests can run all of: yolo-v8"
    ]


def test_a_pod_with_a_claim_is_not_kept_off_nodes_without_labels():
    resources = {"claims": [{"name": "gpu"}]}
    spec = {
        "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one"}],
        "containers": [{"name": "app", "resources": resources}],
    }
    bare = {"kubernetes.io/arch": "amd64"}

    assert admits(injected(pod(spec=spec))["spec"]["affinity"], bare)
    assert not admits(injected(pod())["spec"]["affinity"], bare)


@pytest.mark.parametrize("engine", ["arcface-r100", "bert"])
def test_a_pod_that_names_its_node_gets_neither_gate_nor_affinity(engine):
    document = injected(pod(engine, spec={"nodeName": "gpu-l4"}))

    assert document["spec"]["initContainers"]
    assert not {"affinity", "schedulingGates"} & set(document["spec"])
    assert LABEL_WAITING not in document["metadata"]["labels"]
