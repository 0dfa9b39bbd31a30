"""
The builder Job: what it looks like, and what an existing one says. Pure.

A Job is named by the identity it builds, so a second ``create`` changes nothing. Everything that shapes its
pod comes from the platform team's BuildPool or from here; of the TensorRTEngine only the request (an
annotation) and the names of a queue and a priority class arrive.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ignition_hub.controller.views import BuildWish, JobSeen, JobState, Progress, Trouble
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import EXITS, Reason, reason_of_exit
from ignition_hub.engine.names import (
    ANNOTATION_FAILURE,
    ANNOTATION_PROGRESS,
    ANNOTATION_REBUILD,
    ANNOTATION_REQUEST,
    AUDIENCE,
    BUILDER_SERVICE_ACCOUNT,
    GROUP,
    LABEL_IDENTITY,
    LABEL_MANAGED_BY,
    LABEL_POOL,
    MANAGED_BY,
)
from ignition_hub.engine.naming import job_name
from ignition_hub.engine.request import BuildRequest

LABEL_NAMESPACE = f"{GROUP}/namespace"
"""Namespace of the resource that asked first: what quotas and queues of the platform team select by."""
LABEL_QUEUE = "kueue.x-k8s.io/queue-name"

CONTAINER = "builder"
USER = 65532
TOKEN_SECONDS = 3600
KEPT_SECONDS = 3600
"""How long a finished Job stays for people to look at."""
POD_IS_LATE = 20.0
"""Seconds after which a pod that does not run is worth a look."""

GIB = 1024**3

TOKEN_FOLDER = "/var/run/secrets/ignition"  # noqa: S105  # a path
CA_FOLDER = "/var/run/secrets/ignition-ca"
WORK_FOLDER = "/work"


@dataclass(frozen=True, slots=True)
class JobSettings:
    """What every Job of this hub has in common."""

    gateway_url: str
    ca_config_map: str = "ignition-hub-ca"
    service_account: str = BUILDER_SERVICE_ACCOUNT


def build_job(
    request: BuildRequest,
    pool: Mapping[str, Any],
    build: BuildWish,
    settings: JobSettings,
    *,
    rebuild: str | None = None,
) -> dict[str, Any]:
    """
    Return the Job for ``request`` in ``pool`` (a BuildPool), for the build namespace.

    With ``rebuild``, the request it answers, the gateway lets its engine replace a published one.
    """
    labels = _labels(request, pool)
    queue = {LABEL_QUEUE: build.queue_name} if build.queue_name else {}
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
            "backoffLimit": build.retries,
            "activeDeadlineSeconds": build.timeout_seconds,
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
    hopeless = sorted(
        row.builder for row in EXITS.values() if row.builder is not None and 10 <= row.builder < 30
    )
    return {
        "rules": [
            {
                "action": "FailJob",
                "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": hopeless},
            },
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]
    }


_DO_NOT_DISTURB = {
    "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
    "karpenter.sh/do-not-disrupt": "true",
}


def _labels(request: BuildRequest, pool: Mapping[str, Any]) -> dict[str, str]:
    return {
        LABEL_MANAGED_BY: MANAGED_BY,
        LABEL_IDENTITY: request.identity[:32],
        LABEL_POOL: pool["metadata"]["name"],
        LABEL_NAMESPACE: request.namespace,
    }


def _pod(
    request: BuildRequest, pool: Mapping[str, Any], build: BuildWish, settings: JobSettings
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
    if build.priority_class_name:
        spec["priorityClassName"] = build.priority_class_name
    return spec


def _container(request: BuildRequest, pool: Mapping[str, Any], settings: JobSettings) -> dict[str, Any]:
    environment = {
        "IGNITION_GATEWAY_URL": settings.gateway_url,
        "IGNITION_TOKEN_FILE": f"{TOKEN_FOLDER}/token",
        "IGNITION_CA_FILE": f"{CA_FOLDER}/ca.crt",
        "IGNITION_WORK_DIR": WORK_FOLDER,
        "TMPDIR": WORK_FOLDER,
        "HOME": WORK_FOLDER,
    }
    return {
        "name": CONTAINER,
        "image": _image(request, pool),
        "env": [{"name": name, "value": value} for name, value in environment.items()],
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


def _resources(pool: Mapping[str, Any]) -> dict[str, Any]:
    resources = pool.get("resources") or {}
    requests, limits = dict(resources.get("requests") or {}), dict(resources.get("limits") or {})
    asks_for_a_gpu = any(name.startswith("nvidia.com/") for name in {*requests, *limits})
    if pool.get("gpu") and not asks_for_a_gpu:
        limits["nvidia.com/gpu"] = 1
    return {"requests": requests, "limits": limits}


def _volumes(request: BuildRequest, settings: JobSettings) -> list[dict[str, Any]]:
    token = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": "token"}
    return [
        {"name": "work", "emptyDir": {"sizeLimit": str(work_bytes(request.source_size))}},
        {"name": "token", "projected": {"sources": [{"serviceAccountToken": token}]}},
        {"name": "ca", "configMap": {"name": settings.ca_config_map}},
    ]


def work_bytes(source_size: int | None) -> int:
    """Return the bytes a build may put on disk: the model, its converted copy, the engine, and room."""
    return max(4 * GIB, 6 * (source_size or 0))


def view_of(job: Mapping[str, Any], now: float) -> JobSeen:
    """Return what a Job says; for ``failure`` and ``obstacle`` its pods must be asked."""
    metadata = job["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    request = _json(annotations.get(ANNOTATION_REQUEST))
    return JobSeen(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        state=state_of(job),
        age=max(0.0, now - (epoch(metadata.get("creationTimestamp")) or now)),
        pool=labels.get(LABEL_POOL, ""),
        namespace=str(request.get("namespace", "")),
        resource=str(request.get("engine_resource", "")),
        model_uri=str(request.get("model_uri", "")),
        rebuild=annotations.get(ANNOTATION_REBUILD),
        finished=_finished(job),
        progress=_progress(annotations.get(ANNOTATION_PROGRESS)),
    )


def state_of(job: Mapping[str, Any]) -> JobState:
    """Return where a Job is."""
    # Kubernetes adds Failed and Complete when the last pod is gone, FailureTarget and SuccessCriteriaMet
    # before: waiting for the former means that no builder of this Job can still publish.
    if job["metadata"].get("deletionTimestamp"):
        return JobState.GOING
    if _condition(job, "Complete"):
        return JobState.COMPLETE
    if _condition(job, "Failed"):
        return JobState.FAILED
    return JobState.SUSPENDED if (job.get("spec") or {}).get("suspend") else JobState.ACTIVE


def pods_are_late(job: Mapping[str, Any], age: float) -> bool:
    """Tell whether an active Job's pod should run by now and does not."""
    return age > POD_IS_LATE and not (job.get("status") or {}).get("ready")


def failure_of(job: Mapping[str, Any], pods: Iterable[Mapping[str, Any]]) -> Trouble:
    """
    Return why a failed Job failed, from the most truthful witness.

    That is the deadline, else what the last pod ended with, else what the builder told the gateway.
    """
    condition = _condition(job, "Failed") or {}
    told = _told(job)
    if condition.get("reason") == "DeadlineExceeded":
        return Trouble(Reason.DeadlineExceeded, _deadline_message(job, told))
    ended = max((end for pod in pods if (end := _ended(pod))), key=lambda end: end[0], default=None)
    if ended is not None and (told is None or ended[1] != told[1]):
        return _exit_trouble(ended[1], ended[2])
    if told is not None:
        return told[0]
    message = condition.get("message") or "no pod of it is left to say why"
    return Trouble(Reason.BuildFailed, f"the build Job failed: {message}")


def obstacle_of(pods: Iterable[Mapping[str, Any]]) -> Trouble | None:
    """Return why no pod of an active Job runs: an image that cannot be pulled, or no node for it."""
    live = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if not live:
        message = "Kubernetes has not created the builder pod; `kubectl describe` its Job shows why"
        return Trouble(Reason.Queued, message)
    return next((trouble for pod in live if (trouble := _obstacle(pod))), None)


def epoch(timestamp: str | None) -> float | None:
    """Return an RFC 3339 timestamp as seconds since the epoch; None for None."""
    return datetime.fromisoformat(timestamp).timestamp() if timestamp else None


def _condition(job: Mapping[str, Any], kind: str) -> dict[str, Any] | None:
    conditions = (job.get("status") or {}).get("conditions") or []
    found = (c for c in conditions if c.get("type") == kind and c.get("status") == "True")
    return next(found, None)


def _finished(job: Mapping[str, Any]) -> float | None:
    ended = _condition(job, "Complete") or _condition(job, "Failed") or {}
    return epoch(ended.get("lastTransitionTime"))


def _json(text: Any) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return document if isinstance(document, dict) else {}


def _progress(annotation: str | None) -> Progress | None:
    document = _json(annotation)
    phase, percent = document.get("phase"), document.get("percent")
    if not isinstance(phase, str) or not isinstance(percent, (int, float)):
        return None
    return Progress(phase[:200], min(100, max(0, int(percent))))


def _told(job: Mapping[str, Any]) -> tuple[Trouble, int | None] | None:
    document = _json((job["metadata"].get("annotations") or {}).get(ANNOTATION_FAILURE))
    if not document:
        return None
    trouble = Trouble(_reason(document.get("reason")), str(document.get("message") or "no message"))
    return trouble, document.get("exitCode")


def _reason(word: Any) -> Reason:
    return Reason(word) if word in Reason.__members__.values() else Reason.BuildFailed


def _deadline_message(job: Mapping[str, Any], told: tuple[Trouble, int | None] | None) -> str:
    seconds = (job.get("spec") or {}).get("activeDeadlineSeconds")
    before = f" (before that: {told[0].message})" if told else ""
    return f"not built within {seconds} s{before}; raise spec.build.timeout to allow more"


def _ended(pod: Mapping[str, Any]) -> tuple[str, int, Mapping[str, Any]] | None:
    """Return when and how the builder container of a pod ended."""
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        ended = (status.get("state") or {}).get("terminated")
        if status.get("name") == CONTAINER and ended and ended.get("exitCode"):
            return str(ended.get("finishedAt") or ""), int(ended["exitCode"]), ended
    return None


def _exit_trouble(code: int, ended: Mapping[str, Any]) -> Trouble:
    if ended.get("reason") == "OOMKilled":
        message = "the builder reached its memory limit; raise resources.limits.memory of the BuildPool"
        return Trouble(Reason.OutOfMemory, message)
    said = _json(ended.get("message"))
    if said.get("message"):
        return Trouble(_reason(said.get("reason")), str(said["message"]))
    if code == 137:
        return Trouble(Reason.Crashed, "the builder was killed from outside (SIGKILL), not for memory")
    reason = reason_of_exit(code)
    row = EXITS.get(reason)
    meaning = row.meaning if row else "it ended without a word"
    return Trouble(reason, f"the builder ended with exit code {code}: {meaning}")


def _obstacle(pod: Mapping[str, Any]) -> Trouble | None:
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _NO_IMAGE:
            message = f"image {container.get('image')}: {waiting.get('message') or waiting['reason']}"
            return Trouble(Reason.ImageUnavailable, message)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            message = f"the builder pod waits for a node: {condition.get('message') or 'not scheduled'}"
            return Trouble(Reason.Unschedulable, message)
    return None


_NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
