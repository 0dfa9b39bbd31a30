"""Where images go, and who pushes them, as an EngineStore and its Secret say."""

import base64
import json

import pytest

from ignition_hub.registry.errors import RegistryRefused
from ignition_hub.registry.settings import registry_settings

SPEC = {
    "repository": "registry.example.com:5000/hub/engines",
    "credentialsSecretRef": {"name": "push"},
}


def secret(entry, host="registry.example.com:5000"):
    text = json.dumps({"auths": {host: entry}}).encode()
    return {"data": {".dockerconfigjson": base64.b64encode(text).decode()}}


@pytest.mark.parametrize(
    "entry",
    [
        {"username": "hub", "password": "a:b"},
        {"auth": base64.b64encode(b"hub:a:b").decode()},
        {"username": "other", "password": "other", "auth": base64.b64encode(b"hub:a:b").decode()},
    ],
)
def test_the_secret_is_the_one_that_kubectl_makes(entry):
    found = registry_settings(SPEC, secret(entry))

    assert (found.user, found.password) == ("hub", "a:b")
    assert found.name_of("vision", "arcface") == "hub/engines/vision/arcface"
    assert found.url == "https://registry.example.com:5000"
    assert found.reference("hub/e", "sha256:1") == "registry.example.com:5000/hub/e@sha256:1"
    assert "a:b" not in repr(found)


def test_a_registry_without_a_secret_takes_images_from_anybody():
    found = registry_settings({"repository": "localhost:5000", "plainHTTP": True}, None)

    assert (found.user, found.path, found.url) == ("", "", "http://localhost:5000")
    assert found.name_of("vision", "arcface") == "vision/arcface"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (None, "Secret push of spec.registry does not exist"),
        ({"data": {}}, "has no user for registry.example.com:5000"),
        ({"data": {".dockerconfigjson": "%%%"}}, "has no user for"),
        (secret({"auth": "%%%"}), "has no user for"),
        (secret({"username": "hub", "password": "x"}, host="elsewhere.example.com"), "has no user for"),
        (secret({"identitytoken": "x"}), "has no user for"),
    ],
)
def test_what_a_secret_lacks_is_named(given, says):
    with pytest.raises(RegistryRefused, match=says):
        registry_settings(SPEC, given)
