"""
The builder Job: what it looks like; ``job_status`` is what an existing one says. Pure.

A Job is named by the identity it builds, so a second ``create`` changes nothing. Everything that shapes its
pod comes from the platform team's BuildPool or from here; of the TensorRTEngine only the request (an
annotation) arrives, and a queue and a priority class that the BuildPool lets its namespace name.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.controller.policy.views import BuildParameters
from ignition_hub.engine import environment
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import ENDINGS
from ignition_hub.engine.names import (
    ANNOTATION_REBUILD,
    ANNOTATION_REQUEST,
    AUDIENCE,
    AUTHORITY_CONFIG_MAP,
    BUILDER_CONTAINER,
    BUILDER_SERVICE_ACCOUNT,
    LABEL_IDENTITY,
    LABEL_MANAGED_BY,
    LABEL_NAMESPACE,
    LABEL_POOL,
    MANAGED_BY,
    TOKEN_FILE,
    TOKEN_FOLDER,
)
from ignition_hub.engine.naming import identity_label, job_name
from ignition_hub.engine.pinned import MOST_FILE_BYTES, pinned_files
from ignition_hub.engine.request import BuildRequest

LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
"""Job label of the controller: the LocalQueue of Kueue that admits the Job, as ``spec.tenants`` decides."""

USER = 65532
TOKEN_SECONDS = 3600
KEPT_SECONDS = 3600
"""How long a finished Job stays for people to look at."""

GIB = 1024**3

CA_FOLDER = "/var/run/secrets/ignition-ca"
WORK_FOLDER = "/work"
CLAIM = "gpu"
"""What a builder pod calls the claim to its GPU."""


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What every Job of this hub has in common."""

    gateway_url: str
    ca_config_map: str = AUTHORITY_CONFIG_MAP
    service_account: str = BUILDER_SERVICE_ACCOUNT


def build_job(
    request: BuildRequest,
    pool: Mapping[str, Any],
    build: BuildParameters,
    settings: JobSettings,
    *,
    rebuild: str | None = None,
) -> dict[str, Any]:
    """
    Return the Job for ``request`` in ``pool`` (a BuildPool), for the build namespace.

    With ``rebuild``, the request it answers, the gateway lets its engine replace a published one.
    """
    scheduling = build.scheduling
    labels = _labels(request, pool, scheduling.namespace)
    queue = {LABEL_QUEUE: scheduling.queue_name} if scheduling.queue_name else {}
    return {
        "metadata": {
            "name": job_name(request.identity),
            "labels": {**labels, **queue},
            "annotations": {
                ANNOTATION_REQUEST: canonical_json(request.to_json()).decode(),
                **({ANNOTATION_REBUILD: rebuild} if rebuild is not None else {}),
            },
        },
        "spec": {
            "backoffLimit": build.patience.retries,
            "activeDeadlineSeconds": build.patience.timeout_seconds,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "podFailurePolicy": failure_policy(),
            "template": {
                "metadata": {"labels": labels, "annotations": dict(_DO_NOT_DISTURB)},
                "spec": _pod(request, pool["spec"], build, settings),
            },
        },
    }


def failure_policy() -> dict[str, Any]:
    """Return the ``podFailurePolicy``: useless retries fail the Job, disruptions do not count."""
    hopeless = sorted(row.builder for row in ENDINGS.values() if row.builder is not None and not row.retry)
    return {
        "rules": [
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": BUILDER_CONTAINER, "operator": "In", "values": hopeless},
            },
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]
    }


_DO_NOT_DISTURB = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}


def _labels(request: BuildRequest, pool: Mapping[str, Any], namespace: str) -> dict[str, str]:
    return {
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_IDENTITY: identity_label(request.identity),
        LABEL_POOL: pool["metadata"]["name"],
        LABEL_NAMESPACE: namespace,
    }


def _pod(
    request: BuildRequest, pool: Mapping[str, Any], build: BuildParameters, settings: JobSettings
) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": settings.service_account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 30,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "nodeSelector": dict(pool.get("nodeSelector") or {}),
        "tolerations": [dict(toleration) for toleration in pool.get("tolerations") or []],
        "containers": [_container(request, pool, settings)],
        "volumes": _volumes(request, settings),
    }
    if pool.get("runtimeClassName"):
        spec["runtimeClassName"] = pool["runtimeClassName"]
    if pool.get("hostUsers") is not None:
        spec["hostUsers"] = pool["hostUsers"]
    if template := _claim_template(pool):
        spec["resourceClaims"] = [{"name": CLAIM, "resourceClaimTemplateName": template}]
    if build.scheduling.priority_class_name:
        spec["priorityClassName"] = build.scheduling.priority_class_name
    return spec


def _container(request: BuildRequest, pool: Mapping[str, Any], settings: JobSettings) -> dict[str, Any]:
    variables = {
        environment.GATEWAY_URL: settings.gateway_url,
        environment.TOKEN_FILE: TOKEN_FILE,
        environment.CA_FILE: f"{CA_FOLDER}/ca.crt",
        environment.WORK_DIR: WORK_FOLDER,
        "TMPDIR": WORK_FOLDER,
        "HOME": WORK_FOLDER,
    }
    return {
        "name": BUILDER_CONTAINER,
        "image": _image(request, pool),
        "env": [{"name": name, "value": value} for name, value in variables.items()],
        "resources": _resources(pool),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "work", "mountPath": WORK_FOLDER},
            {"name": "token", "mountPath": TOKEN_FOLDER, "readOnly": True},
            {"name": "ca", "mountPath": CA_FOLDER, "readOnly": True},
        ],
    }


def _image(request: BuildRequest, pool: Mapping[str, Any]) -> str:
    inputs = request.inputs
    return next(
        str(runtime["image"])
        for runtime in pool["runtimes"]
        if (runtime["flavor"], runtime["version"]) == (inputs.flavor, inputs.tensorrt_version)
    )


def _claim_template(pool: Mapping[str, Any]) -> str | None:
    return (pool.get("gpu") or {}).get("resourceClaimTemplateName")


def _resources(pool: Mapping[str, Any]) -> dict[str, Any]:
    resources = pool.get("resources") or {}
    requests, limits = dict(resources.get("requests") or {}), dict(resources.get("limits") or {})
    asks_for_a_gpu = any(name.startswith("nvidia.com/") for name in {*requests, *limits})
    if _claim_template(pool):
        return {"requests": requests, "limits": limits, "claims": [{"name": CLAIM}]}
    if pool.get("gpu") and not asks_for_a_gpu:
        limits["nvidia.com/gpu"] = 1
    return {"requests": requests, "limits": limits}


def _volumes(request: BuildRequest, settings: JobSettings) -> list[dict[str, Any]]:
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    return [
        {"name": "work", "emptyDir": {"sizeLimit": str(work_bytes(request))}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": "ca", "configMap": {"name": settings.ca_config_map}},
    ]


def work_bytes(request: BuildRequest) -> int:
    """Return the bytes a build may put on disk: model, converted copy, engine, further files, and room."""
    files = MOST_FILE_BYTES if pinned_files(request.options, request.verification) else 0
    return max(4 * GIB, 6 * (request.source_size or 0)) + files
