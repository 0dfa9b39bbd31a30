"""
Engines in a real registry, pushed by a real gateway: what pods are given, and what becomes of refusals.
"""

import base64
import json
import time
from dataclasses import replace
from uuid import uuid4

import pytest

from gateway_harness import (
    HUB,
    STORE,
    apply_engine,
    make_request,
    make_team,
    plan,
    published,
    ready_target,
    running_hub,
)
from gatewayprocess import running_gateway
from registryserver import RegistryServer

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    with RegistryServer.start(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="module")
def hub(control_plane, api, tmp_path_factory, registry):
    folder = tmp_path_factory.mktemp("gateway")
    with running_hub(control_plane, api, folder, *flags(folder)) as hub:
        for name, password in (("push", registry.password), ("wrong", "wrong")):
            config = json.dumps({"auths": {registry.host: {"username": registry.user, "password": password}}})
            secret = {
                "metadata": {"name": name},
                "type": "kubernetes.io/dockerconfigjson",
                "stringData": {".dockerconfigjson": config},
            }
            hub.post(f"/api/v1/namespaces/{HUB}/secrets", secret)
        yield hub
        for name in ("push", "wrong"):
            api.ask("DELETE", f"/api/v1/namespaces/{HUB}/secrets/{name}")


def flags(folder):
    return f"--images-file={folder / 'images.json'}", "--images-seconds=0.2"


def use_registry(hub, registry, secret="push", **fields):
    spec = {"repository": f"{registry.host}/hub", "plainHTTP": True, "credentialsSecretRef": {"name": secret}}
    patch = {"spec": {"registry": None if registry is None else spec | fields}}
    answer = hub.api.ask("PATCH", STORE, patch, media="application/merge-patch+json")
    assert answer.status == 200, answer.message


def publish(hub, data):
    team = make_team(hub)
    request = make_request(hub, team)
    token = hub.builder(hub.job(request))
    done = hub.complete(token, hub.upload(token, data))
    assert done.status == 200, done.message
    sha256 = published(hub, request).engine.sha256
    apply_engine(hub, team, [ready_target(hub, request, done.body, sha256=sha256)])
    return team, sha256


def mutated(hub, team, **annotations):
    """Return the volumes that a pod of ``team`` is given, by name, and the warnings."""
    said = {f"ignitionhub.io/{name}": value for name, value in annotations.items()}
    pod = {
        "kind": "Pod",
        "metadata": {
            "labels": {"ignitionhub.io/inject": "true"},
            "annotations": {"ignitionhub.io/engines": "resnet50", **said},
        },
        "spec": {"containers": [{"name": "app"}]},
    }
    review = {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {"uid": uuid4().hex, "namespace": team, "operation": "CREATE", "object": pod},
    }
    response = hub.gateway.ask("POST", "/mutate", review).body["response"]
    assert response["allowed"], response
    patch = json.loads(base64.b64decode(response["patch"]))
    volumes = next(each["value"] for each in patch if each["path"] == "/spec/volumes")
    return {volume["name"]: volume for volume in volumes}, response.get("warnings", [])


def mounted(hub, team, *, within=30.0):
    """Return the image that a pod of ``team`` is given, as soon as it is given one."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        volumes, warnings = mutated(hub, team, delivery="ImageVolume")
        if "ignition-image-0" in volumes:
            return volumes["ignition-image-0"]["image"]["reference"], warnings
        assert "the engines are downloaded" in " ".join(warnings)
        time.sleep(0.2)
    raise AssertionError(f"{warnings}: {hub.gateway.log()[-3000:]}")


def warned(hub, team, words, *, within=30.0):
    deadline = time.monotonic() + within
    while words not in (found := " ".join(mutated(hub, team, delivery="ImageVolume")[1])):
        assert time.monotonic() < deadline, found + hub.gateway.log()[-3000:]
        time.sleep(0.2)


def eventually(tell, *, within=30.0):
    deadline = time.monotonic() + within
    while not tell():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_pod_mounts_the_image_of_its_engine_once_that_is_pushed(hub, registry):
    team, sha256 = publish(hub, plan(extra=b"pushed " * 1000))
    warned(hub, team, "the EngineStore names no registry")
    use_registry(hub, registry)

    reference, warnings = mounted(hub, team)

    assert reference.startswith(f"{registry.host}/hub/{team}/resnet50@sha256:")
    assert warnings == []
    assert "ignition-image-0" not in mutated(hub, team)[0]
    assert 'ignition_gateway_images_total{outcome="pushed"}' in hub.gateway.metrics()
    assert registry.password not in hub.gateway.log()
    image = json.loads((hub.gateway.folder / "images.json").read_text())["images"][team]
    assert image == {"resnet50": {sha256: reference}}


def test_another_replica_finds_the_image_and_pushes_nothing(hub, registry, control_plane, tmp_path):
    use_registry(hub, registry)
    team, _ = publish(hub, plan(extra=b"once " * 1000))
    first, _ = mounted(hub, team)
    uploads = registry.log().count("PATCH /v2/")

    with running_gateway(
        control_plane.kubeconfig, tmp_path, *flags(tmp_path), like=hub.gateway.folder
    ) as other:
        assert mounted(replace(hub, gateway=other), team)[0] == first
    assert uploads > 0
    assert registry.log().count("PATCH /v2/") == uploads


def test_a_registry_that_refuses_is_told_of_and_pods_download_until_it_takes_images(hub, registry):
    use_registry(hub, registry, secret="wrong")
    team, _ = publish(hub, plan(extra=b"refused " * 1000))
    eventually(lambda: f"did not look for hub/{team}/resnet50" in hub.gateway.log())
    warned(hub, team, "the image of resnet50, target sm-89, is not in the registry yet")
    assert 'ignition_gateway_images_total{outcome="failed"}' in hub.gateway.metrics()

    use_registry(hub, registry, secret="nowhere")
    warned(hub, team, "Secret nowhere of spec.registry does not exist: create it in the namespace of the hub")

    use_registry(hub, registry)
    assert mounted(hub, team)[0].startswith(f"{registry.host}/hub/{team}/resnet50@sha256:")


def test_a_status_that_names_the_engine_of_another_model_gets_no_image(hub, registry):
    use_registry(hub, registry)
    team, _ = publish(hub, plan(extra=b"of others " * 1000))
    request = make_request(hub, make_team(hub))
    done = hub.complete(token := hub.builder(hub.job(request)), hub.upload(token, plan(extra=b"x" * 999)))
    thief = make_team(hub)
    target = ready_target(hub, request, done.body, sha256=published(hub, request).engine.sha256)
    apply_engine(hub, thief, [target], source={"uri": "s3://private/x.onnx"})

    mounted(hub, team)  # a pass has been made since
    assert "is not in the registry yet" in " ".join(mutated(hub, thief, delivery="ImageVolume")[1])
    assert f"/v2/hub/{thief}/" not in registry.log()


@pytest.mark.parametrize(
    ("repository", "is_refused"),
    [
        ("registry.example.com", False),
        ("registry.example.com:5000/team-a/engines_1", False),
        ("https://registry.example.com", True),
        ("registry.example.com/Engines", True),
        ("registry.example.com/engines/", True),
        ("registry.example.com/engines@sha256:00", True),
        ("user@registry.example.com", True),
    ],
)
def test_a_repository_is_a_host_and_a_path(hub, repository, is_refused):
    patch = {"spec": {"registry": {"repository": repository}}}
    answer = hub.api.ask("PATCH", f"{STORE}?dryRun=All", patch, media="application/merge-patch+json")

    assert answer.status == (422 if is_refused else 200), answer.message
