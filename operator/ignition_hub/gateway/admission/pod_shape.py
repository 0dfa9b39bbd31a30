"""
The parts of a pod that admission reads, and their types: a pod that was not validated may have any.

The API server sends pods that it could decode; whatever else reaches the webhook can send anything. Pure.
"""

from collections.abc import Mapping
from typing import Any

from ignition_hub.engine.errors import ContractError

_NAMED = [{"name!": str}]
_MOUNT = {"name!": str, "mountPath!": str}
_TERMS = [{"matchExpressions": [dict], "matchFields": [dict]}]
_AFFINITY = {
    "nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": _TERMS}}
}
_RESOURCES = {"requests": dict, "limits": dict, "claims": [{"name!": str, "request": str}]}
_CLAIMS = [{"name!": str, "resourceClaimName": str}]
_MAPPINGS = [{"resourceName!": str, "containerName": str, "requestName": str}]
_CONTAINER = {
    "name!": str,
    "env": _NAMED,
    "volumeMounts": [_MOUNT],
    "resources": _RESOURCES,
    "securityContext": dict,
}
_POD = {
    "metadata!": {"labels": dict, "annotations": dict},
    "spec!": {
        "containers": [_CONTAINER],
        "initContainers": [_CONTAINER],
        "resourceClaims": _CLAIMS,
        "volumes": [{"name!": str, "projected": {"sources": [{"serviceAccountToken": dict}]}}],
        "schedulingGates": [dict],
        "securityContext": dict,
        "affinity": _AFFINITY,
        "os": dict,
        "nodeSelector": dict,
    },
    "status": {
        "resourceClaimStatuses": _CLAIMS,
        "extendedResourceClaimStatus": {"resourceClaimName!": str, "requestMappings": _MAPPINGS},
    },
}
"""A type; a list of one; or the fields of an object, which may be missing or null but for those with a !."""

_WORDS: Mapping[type, str] = {str: "a string", dict: "an object", list: "a list"}


def require_shape(pod: Any) -> None:
    """Raise ContractError for the first part of ``pod`` that is of another type than a pod's."""
    _require(pod, _POD, "request.object")


def _require(value: Any, shape: Any, where: str) -> None:
    kind: Any = shape if isinstance(shape, type) else type(shape)
    if not isinstance(value, kind):
        raise ContractError(f"{where}: expected {_WORDS[kind]}, got {type(value).__name__}")
    if isinstance(shape, list):
        for index, item in enumerate(value):
            _require(item, shape[0], f"{where}[{index}]")
    elif isinstance(shape, Mapping):
        for name, part in shape.items():
            field = name.removesuffix("!")
            if value.get(field) is not None or name != field:
                _require(value.get(field), part, f"{where}.{field}")
