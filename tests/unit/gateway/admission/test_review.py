"""What the API server is answered."""

import base64
import json

import pytest

from ignition_hub.engine.errors import ContractError
from ignition_hub.gateway.admission.author_warnings import warnings_about
from ignition_hub.gateway.admission.injection import inject
from ignition_hub.gateway.admission.review import review
from injectedpods import ENGINES, SETTINGS, injected, pod


def reviewed(document, **request):
    asked = {"uid": "u1", "namespace": "vision", "operation": "CREATE", "object": document, **request}
    answer = review(
        {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked},
        {"vision": ENGINES}.__getitem__,
        SETTINGS,
    )
    assert (answer["apiVersion"], answer["kind"]) == ("admission.k8s.io/v1", "AdmissionReview")
    assert answer["response"]["uid"] == "u1"
    return answer["response"]


def test_the_api_server_is_answered_with_the_patch():
    response = reviewed(pod())

    assert response["allowed"] is True
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == inject(pod(), ENGINES, SETTINGS)


def test_the_api_server_is_answered_without_a_patch_where_nothing_is_to_do():
    assert reviewed(injected(pod())) == {"uid": "u1", "allowed": True}
    assert reviewed(None, operation="DELETE") == {"uid": "u1", "allowed": True}


def test_a_mistake_is_denied_with_a_sentence_for_its_author():
    response = reviewed(pod("nonesuch"))

    assert response["allowed"] is False
    assert response["status"]["code"] == 400
    assert "'nonesuch'" in response["status"]["message"]


def test_a_long_wait_is_announced_as_a_warning():
    assert reviewed(pod("whisper"))["warnings"] == warnings_about(pod("whisper"), ENGINES, SETTINGS)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"apiVersion": "admission.k8s.io/v1beta1", "request": {"uid": "u", "namespace": "n"}},
        {"apiVersion": "admission.k8s.io/v1", "request": {"namespace": "n"}},
        {"apiVersion": "admission.k8s.io/v1", "request": {"uid": "u", "namespace": ""}},
    ],
)
def test_what_is_no_review_is_refused(document):
    with pytest.raises(ContractError):
        review(document, {}.__getitem__, SETTINGS)
