"""Engines that a pod mounts as image volumes."""

from dataclasses import replace

import pytest
import yaml

from ignition_hub.compatibility.placement import affinity_for, required_terms
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.names import SCHEDULING_GATE
from ignition_hub.gateway.admission.author_warnings import warnings_about
from ignition_hub.gateway.admission.injection import inject
from injectedpods import (
    ENGINES,
    EXAMPLES,
    PUSHED,
    READY,
    SETTINGS,
    applied,
    injected,
    pod,
    refusal,
    template_of,
)


def mounts_of(container):
    return {one["name"]: (one["mountPath"], one.get("readOnly")) for one in container["volumeMounts"]}


def test_an_engine_whose_image_is_pushed_is_mounted_where_the_fetcher_verifies_it():
    given = injected(pod("faces=arcface-r100", delivery="ImageVolume"))["spec"]
    [fetcher], [app] = given["initContainers"], given["containers"]
    environment = {variable["name"]: variable["value"] for variable in fetcher["env"]}

    assert given["volumes"][-1] == {
        "name": "ignition-image-0",
        "image": {"reference": PUSHED, "pullPolicy": "IfNotPresent"},
    }
    for container in (fetcher, app):
        assert mounts_of(container)["ignition-image-0"] == ("/ignition-images/faces", True)
    assert environment["IGNITION_IMAGES"] == f"faces={'ab' * 32}"
    assert required_terms(given["affinity"]) == required_terms(affinity_for([READY]))


def test_a_pod_that_mounts_an_image_and_is_injected_again_stays_as_it_is():
    document = injected(pod("faces=arcface-r100", delivery="ImageVolume"))
    gone = {"arcface-r100": replace(READY, ready=(replace(READY.ready[0], image=""),))}

    assert inject(document, ENGINES, SETTINGS) == []
    assert inject(document, gone, SETTINGS) == []


AMPERE = ReadyTarget("sm_86", None, "SameComputeCapability", "TensorRT", name="sm-86", image="r@sha256:2")
L4_ALONE = ReadyTarget("sm_89", "NVIDIA-L4", "Product", "TensorRT", name="l4", sha256="cd" * 32, image="l4@s")


def view(*targets, name="arcface-r100"):
    return {name: EngineView(name, targets, is_settled=True)}


def asked_for_an_image(engines, settings=SETTINGS, **spec):
    """Return the images that a pod is given, and what its author is warned of."""
    document = pod(delivery="ImageVolume", spec=spec)
    given = applied(document, inject(document, engines, settings))["spec"]
    images = [volume["image"]["reference"] for volume in given["volumes"] if "image" in volume]
    return images, " ".join(warnings_about(document, engines, settings))


def test_of_targets_for_two_platforms_a_pod_mounts_the_one_of_the_machines_that_it_selects():
    x86 = replace(READY.ready[0], platform="linux-x86_64")
    arm = replace(x86, platform="linux-aarch64", name="auto-sm-89", image="arm@s")

    images, why = asked_for_an_image(view(x86, arm), nodeSelector={"nvidia.com/gpu.product": "NVIDIA-L4"})
    assert (images, "several targets that the pod may get" in why) == ([], True)
    for machine, target in (("amd64", x86), ("arm64", arm)):
        selector = {"nvidia.com/gpu.product": "NVIDIA-L4", "kubernetes.io/arch": machine}
        assert asked_for_an_image(view(x86, arm), nodeSelector=selector) == ([target.image], "")


@pytest.mark.parametrize(
    ("engines", "spec", "why"),
    [
        (
            view(replace(READY.ready[0], image="")),
            {},
            "arcface-r100, target sm-89, is not in the registry yet",
        ),
        (view(READY.ready[0], AMPERE), {}, "several targets that the pod may get (sm-89, sm-86); select the"),
        (
            view(READY.ready[0], L4_ALONE),
            {},
            "several targets that the pod may get (sm-89, l4); select the GPU",
        ),
        (view(), {}, "the pod waits for its engines, and its volumes cannot be added later"),
        (view(READY.ready[0]), {"nodeName": "gpu-1"}, "the pod names its node"),
        (view(READY.ready[0]), {"schedulingGates": [{"name": SCHEDULING_GATE}]}, "the pod waits for its"),
    ],
)
def test_where_no_image_can_be_meant_the_engines_are_downloaded_and_the_author_is_told(engines, spec, why):
    images, warned = asked_for_an_image(engines, **spec)

    assert images == []
    assert why in warned


def test_a_cluster_without_image_volumes_downloads_and_says_why():
    settings = replace(SETTINGS, no_images="the API server is Kubernetes 1.32, and image volumes need 1.35")

    assert asked_for_an_image(ENGINES, settings) == (
        [],
        "delivery ImageVolume: the engines are downloaded: the API server is Kubernetes 1.32, and image "
        "volumes need 1.35",
    )


@pytest.mark.parametrize(
    ("product", "image"), [("NVIDIA-L4", "l4@s"), ("NVIDIA-L40S", PUSHED), ("NVIDIA-A10", "r@sha256:2")]
)
def test_a_pod_that_selects_its_gpu_mounts_the_best_engine_for_it(product, image):
    selector = {"nvidia.com/gpu.product": product}

    assert asked_for_an_image(view(READY.ready[0], L4_ALONE, AMPERE), nodeSelector=selector) == ([image], "")


def test_an_image_is_refused_where_it_can_never_be_what_the_pod_asks_for():
    assert refusal(pod(delivery="ImageVolume", layout="triton")) == (
        "annotation ignitionhub.io/delivery: an image holds the engine alone, and the layout triton needs "
        "files beside it: use layout plain, or Fetch"
    )
    fallback = replace(READY, can_fall_back=True)
    with pytest.raises(RequestError, match="use on-miss Wait or Fail, or Fetch"):
        inject(pod(delivery="ImageVolume", on_miss="Fallback"), {"arcface-r100": fallback}, SETTINGS)
    assert "unknown value 'Image': use one of: Fetch, ImageVolume" in refusal(pod(delivery="Image"))


def test_the_example_of_an_image_volume_mounts_the_image_of_its_gpu():
    document = yaml.safe_load((EXAMPLES / "deployment-image-volume.yaml").read_text())
    asked = {"kind": "Pod", **template_of(document)}
    engines = view(READY.ready[0], L4_ALONE, AMPERE)
    made = applied(asked, inject(asked, engines, SETTINGS))["spec"]

    assert made["volumes"][-1]["image"]["reference"] == "l4@s"
    assert made["containers"][0]["volumeMounts"][-1]["mountPath"] == "/ignition-images/arcface-r100"
    assert warnings_about(asked, engines, SETTINGS) == []
