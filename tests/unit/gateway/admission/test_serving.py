"""Layouts, and what else a server is told of its engines and of new ones."""

import pytest
import yaml

from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES, LayoutName
from ignition_hub.gateway.admission.injection import inject
from injectedpods import EXAMPLES, READY, SETTINGS, applied, injected, pod, refusal, template_of

RTX = ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRTRTX")


@pytest.mark.parametrize(
    ("view", "is_refused"),
    [
        (EngineView("bert", (RTX,)), True),
        (EngineView("bert", flavor="TensorRTRTX"), True),
        (EngineView("bert", (RTX, *READY.ready)), False),
        (EngineView("bert", flavor="TensorRT"), False),
        (EngineView("bert"), False),  # the pools decide, and none has yet
    ],
)
def test_a_layout_is_refused_where_its_program_cannot_run_any_engine_there_will_be(view, is_refused):
    asked = (pod("bert", layout="triton"), {"bert": view}, SETTINGS)
    if not is_refused:
        assert inject(*asked)
        return

    with pytest.raises(RequestError) as refused:
        inject(*asked)
    assert refused.value.reason is Reason.UnsupportedLayout
    assert str(refused.value) == (
        "TensorRTEngine bert: Triton Inference Server runs engines of TensorRT, and this one is of "
        "TensorRT-RTX: set spec.tensorrt.flavor of the TensorRTEngine to TensorRT, or use the layout plain"
    )


def test_a_layout_that_does_not_exist_is_refused_with_those_that_do():
    assert refusal(pod(layout="Triton")) == (
        "annotation ignitionhub.io/layout: unknown value 'Triton': use one of: " + ", ".join(LayoutName)
    )


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("serve-*.yaml")), ids=lambda path: path.stem)
def test_an_example_of_a_layout_shows_the_server_the_folder_that_it_names(path):
    asked = {"kind": "Pod", **template_of(yaml.safe_load(path.read_text()))}
    [reference] = ANNOTATION_ENGINES.of(asked["metadata"]["annotations"])
    made = applied(asked, inject(asked, {reference.resource: EngineView(reference.resource)}, SETTINGS))
    [fetcher], [server] = made["spec"]["initContainers"], made["spec"]["containers"]
    told = {variable["name"]: variable["value"] for variable in fetcher["env"]}

    assert told["IGNITION_LAYOUT"] == path.stem.removeprefix("serve-")
    assert server["volumeMounts"][0]["mountPath"] in " ".join(server["args"])


def test_what_kserve_reads_is_where_the_author_says_it_instead():
    [server] = injected(pod(layout="kserve", mount_path="/repository"))["spec"]["containers"]

    assert server["volumeMounts"][0]["mountPath"] == "/repository"


def test_only_a_pod_that_may_be_restarted_for_new_engines_can_be_listed_by_that():
    assert injected(pod(rollout="Automatic"))["metadata"]["labels"]["ignitionhub.io/rolls"] == "true"
    assert "ignitionhub.io/rolls" not in injected(pod(rollout="Manual"))["metadata"]["labels"]


def test_a_rollout_that_no_release_knows_is_refused_with_those_that_there_are():
    message = refusal(pod(rollout="Nightly"))

    assert message == (
        "annotation ignitionhub.io/rollout: unknown value 'Nightly': use one of: Manual, Automatic"
    )
