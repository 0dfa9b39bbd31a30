"""
The answer to the API server: an AdmissionReview comes in, an AdmissionReview goes out.

The last step of admission; pure, except for what ``lookup`` reads.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from ignition_hub.compatibility.readiness import EngineView
from ignition_hub.engine.errors import ContractError, RequestError
from ignition_hub.engine.quoting import shortened
from ignition_hub.gateway.admission.author_warnings import warnings_about
from ignition_hub.gateway.admission.bounds import MESSAGE_CHARACTERS, UID_CHARACTERS, require_small_patch
from ignition_hub.gateway.admission.injection import InjectionSettings, inject
from ignition_hub.gateway.admission.json_patch import Json
from ignition_hub.gateway.admission.pod_shape import require_shape

REVIEW_VERSION = "admission.k8s.io/v1"
BAD_REQUEST = 400
LONGEST_WARNING = 256  # kubectl cuts longer ones
NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")

Lookup = Callable[[str], Mapping[str, EngineView]]
"""Returns all TensorRTEngines of a namespace by name."""


def review(admission_review: Mapping[str, Any], lookup: Lookup, settings: InjectionSettings) -> Json:
    """
    Answer one AdmissionReview of version v1: allowed with a patch, or denied with a sentence for the author.

    Raises ContractError when it is not an AdmissionReview that can be answered, or its pod is none.
    """
    request = read_request(admission_review)
    pod = request.get("object")
    if request.get("operation") != "CREATE" or not isinstance(pod, dict) or pod.get("kind", "Pod") != "Pod":
        return answer(request, allowed=True)
    require_shape(pod)
    engines = lookup(request["namespace"])
    try:
        patch = encoded(inject(pod, engines, settings))
    except RequestError as error:
        return denied(request, str(error))
    return patched(request, patch, warnings_about(pod, engines, settings))


def read_request(admission_review: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the request of a review; ContractError where it is none."""
    request = admission_review.get("request")
    if admission_review.get("apiVersion") != REVIEW_VERSION or not isinstance(request, Mapping):
        raise ContractError(
            f"apiVersion {admission_review.get('apiVersion')!r:.80} is not an AdmissionReview request",
            f"send {REVIEW_VERSION} with a request",
        )
    for field in ("uid", "namespace"):
        if not isinstance(request.get(field), str) or not request[field]:
            raise ContractError(f"request.{field} is missing", "only namespaced objects are reviewed")
    if len(request["uid"]) > UID_CHARACTERS:
        raise ContractError(f"request.uid: {request['uid']!r:.80} is too long", f"at most {UID_CHARACTERS}")
    # Anybody can reach the webhook: what is no namespace must not become a path of the API.
    if not NAMESPACE.fullmatch(request["namespace"]):
        raise ContractError(f"request.namespace: {request['namespace']!r:.80} is not a namespace")
    return request


def encoded(patch: list[Json]) -> bytes:
    """Return a patch as JSON, empty where nothing is to do; PodTooLarge where it is too large."""
    text = json.dumps(patch).encode() if patch else b""
    require_small_patch(len(text))
    return text


def patched(request: Mapping[str, Any], patch: bytes, warnings: list[str]) -> Json:
    """Build the answer that lets the pod in, changed."""
    extra: Json = {}
    if patch:
        extra["patchType"] = "JSONPatch"
        extra["patch"] = base64.b64encode(patch).decode()
    if warnings:
        extra["warnings"] = [warning[:LONGEST_WARNING] for warning in warnings]
    return answer(request, allowed=True, **extra)


def denied(request: Mapping[str, Any], message: str) -> Json:
    """Build the answer that keeps the pod out; the ReplicaSet shows ``message`` and tries again later."""
    status = {"code": BAD_REQUEST, "reason": "BadRequest", "message": shortened(message, MESSAGE_CHARACTERS)}
    return answer(request, allowed=False, status=status)


def answer(request: Mapping[str, Any], *, allowed: bool, **extra: Any) -> Json:
    """Build the AdmissionReview that answers ``request``."""
    response = {"uid": request["uid"], "allowed": allowed, **extra}
    return {"apiVersion": REVIEW_VERSION, "kind": "AdmissionReview", "response": response}
