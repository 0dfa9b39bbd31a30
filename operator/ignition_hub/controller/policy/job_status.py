"""
What a builder Job says: where it is, why it failed, what keeps its pod from running. Pure.

Three witnesses tell it: Kubernetes in conditions and container states, the builder in its pod's last words,
and the gateway in annotations of what the builder told it meanwhile.
"""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from ignition_hub.controller.policy.views import BuildProgress, JobSnapshot, JobState, Trouble
from ignition_hub.engine.errors import ENDINGS, Reason, reason_of_exit
from ignition_hub.engine.names import (
    ANNOTATION_FAILURE,
    ANNOTATION_PROGRESS,
    ANNOTATION_REBUILD,
    ANNOTATION_REQUEST,
    BUILDER_CONTAINER,
    LABEL_NAMESPACE,
    LABEL_POOL,
)
from ignition_hub.engine.request import READ_WRITE

POD_IS_LATE = 20.0
"""Seconds after which a pod that does not run is worth a look."""


def view_of(job: Mapping[str, Any], now: float) -> JobSnapshot:
    """Return what a Job says; for ``failure`` and ``obstacle`` its pods must be asked."""
    metadata = job["metadata"]
    annotations, labels = metadata.get("annotations") or {}, metadata.get("labels") or {}
    request = _json(annotations.get(ANNOTATION_REQUEST))
    finished = _finished(job)
    return JobSnapshot(
        name=metadata["name"],
        uid=metadata.get("uid", ""),
        state=state_of(job),
        age=max(0.0, now - (epoch(metadata.get("creationTimestamp")) or now)),
        pool=labels.get(LABEL_POOL, ""),
        namespace=str(request.get("namespace", "")),
        resource=str(request.get("engine_resource", "")),
        tenant=labels.get(LABEL_NAMESPACE, ""),
        model_uri=str(request.get("model_uri", "")),
        rebuild=annotations.get(ANNOTATION_REBUILD),
        finished=finished,
        ended_for=max(0.0, now - finished) if finished is not None else 0.0,
        progress=_progress(annotations.get(ANNOTATION_PROGRESS)),
        timeout_seconds=_timeout_seconds(job),
        low_memory=bool(request.get("low_memory", False)),
        timing_cache=str(request.get("timing_cache", READ_WRITE)),
        ended_after_retries=_retries_that_ended(job),
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


def news_of(job: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what of a Job can change while it lives and changes a decision; all else is Kubernetes' own."""
    annotations = job["metadata"].get("annotations") or {}
    told = (annotations.get(name) for name in (ANNOTATION_PROGRESS, ANNOTATION_FAILURE, ANNOTATION_REBUILD))
    return state_of(job), bool((job.get("status") or {}).get("ready")), *told


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
        return _exit_trouble(*ended[1:])
    if told is not None:
        return told[0]
    message = condition.get("message") or "its pods no longer exist, so the cause is unknown"
    return Trouble(Reason.BuildFailed, f"the build Job failed: {message}")


def obstacle_of(pods: Iterable[Mapping[str, Any]]) -> Trouble | None:
    """Return why no pod of an active Job runs: an image that cannot be pulled, or no node for it."""
    live = [pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]
    if not live:
        message = "Kubernetes has not created the builder pod; see the Job's events (kubectl describe job)"
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


def _timeout_seconds(job: Mapping[str, Any]) -> int | None:
    return (job.get("spec") or {}).get("activeDeadlineSeconds")


def _retries_that_ended(job: Mapping[str, Any]) -> int | None:
    ended = (_condition(job, "Failed") or {}).get("reason")
    return (job.get("spec") or {}).get("backoffLimit") if ended == "BackoffLimitExceeded" else None


def _json(text: Any) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _progress(annotation: str | None) -> BuildProgress | None:
    document = _json(annotation)
    phase, percent = document.get("phase"), document.get("percent")
    if not isinstance(phase, str) or not isinstance(percent, (int, float)):
        return None
    return BuildProgress(phase[:200], int(min(100, max(0, percent))))


def _told(job: Mapping[str, Any]) -> tuple[Trouble, int | None] | None:
    document = _json((job["metadata"].get("annotations") or {}).get(ANNOTATION_FAILURE))
    if not document:
        return None
    trouble = Trouble(_reason(document.get("reason")), _message_in(document) or "no message")
    return trouble, document.get("exitCode")


def _message_in(document: Mapping[str, Any]) -> str:
    message = document.get("message")
    return message if isinstance(message, str) else ""


def _reason(word: Any) -> Reason:
    return Reason(word) if word in Reason.__members__.values() else Reason.BuildFailed


def _deadline_message(job: Mapping[str, Any], told: tuple[Trouble, int | None] | None) -> str:
    before = f" (before that: {told[0].message})" if told else ""
    return f"the build timed out after {_timeout_seconds(job)} s{before}; raise spec.build.timeout"


def _ended(pod: Mapping[str, Any]) -> tuple[str, int, Mapping[str, Any], str | None] | None:
    """Return when and how the builder container of a pod ended, and its memory limit."""
    for status in (pod.get("status") or {}).get("containerStatuses") or []:
        ended = (status.get("state") or {}).get("terminated")
        if status.get("name") == BUILDER_CONTAINER and ended and ended.get("exitCode"):
            return str(ended.get("finishedAt") or ""), int(ended["exitCode"]), ended, _memory_limit(pod)
    return None


def _memory_limit(pod: Mapping[str, Any]) -> str | None:
    containers = (pod.get("spec") or {}).get("containers") or []
    limits = ((one.get("resources") or {}).get("limits") or {} for one in containers)
    return next((str(limit["memory"]) for limit in limits if "memory" in limit), None)


def _exit_trouble(code: int, ended: Mapping[str, Any], limit: str | None) -> Trouble:
    said = _json(ended.get("message"))
    if ended.get("reason") == "OOMKilled" and said.get("reason") != Reason.OutOfMemory:
        figure = f" of {limit}" if limit else ""
        remedy = "raise resources.limits.memory of the BuildPool"
        words = f"the builder was OOM-killed at its memory limit{figure}; {remedy}"
        return Trouble(Reason.OutOfMemory, words)
    if message := _message_in(said):
        return Trouble(_reason(said.get("reason")), message)
    if code == 137:
        return Trouble(Reason.Crashed, "the builder was killed with SIGKILL, and not because of memory")
    reason = reason_of_exit(code)
    meaning = ENDINGS[reason].meaning or "it reported no reason"
    return Trouble(reason, f"the builder exited with code {code}: {meaning}")


def _obstacle(pod: Mapping[str, Any]) -> Trouble | None:
    status = pod.get("status") or {}
    for container in status.get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _NO_IMAGE:
            message = f"image {container.get('image')}: {waiting.get('message') or waiting['reason']}"
            return Trouble(Reason.ImageUnavailable, message)
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            message = f"the builder pod is pending: {condition.get('message') or 'not scheduled'}"
            return Trouble(Reason.Unschedulable, message)
    return None


_NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"})
