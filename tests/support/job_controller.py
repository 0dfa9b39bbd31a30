"""
What a test does in the place of Kubernetes' Job controller, and how it waits.

A control plane without controllers never ends a Job; these functions write the very status that the Job
controller would, and the API server checks it as strictly.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from ignition_hub.engine.names import ANNOTATION_FAILURE, ANNOTATION_REQUEST, BUILD_NAMESPACE
from ignition_hub.engine.request import BuildRequest
from ignition_hub.kube import JOBS, Kube, Object


def request_of(job: Object) -> BuildRequest:
    """Return what a Job's builder is asked for."""
    return BuildRequest.from_json(json.loads(job["metadata"]["annotations"][ANNOTATION_REQUEST]))


async def complete(kube: Kube, job: Object, *, after: float = 0.0) -> None:
    """Make a Job complete, ``after`` seconds from now by its status."""
    await _end(kube, job, "SuccessCriteriaMet", "Complete", "CompletionsReached", after=after)


async def fail(kube: Kube, job: Object, reason: str, message: str, exit_code: int) -> None:
    """Note a failure on a Job, as the gateway does, and make it failed."""
    failure = json.dumps({"reason": reason, "message": message, "exitCode": exit_code})
    patch = {"metadata": {"annotations": {ANNOTATION_FAILURE: failure}}}
    await kube.merge_patch(JOBS, job["metadata"]["name"], patch, BUILD_NAMESPACE)
    await _end(kube, job, "FailureTarget", "Failed", "PodFailurePolicy")


async def time_out(kube: Kube, job: Object) -> None:
    """Make a Job failed because its deadline passed."""
    await _end(kube, job, "FailureTarget", "Failed", "DeadlineExceeded")


async def _end(kube: Kube, job: Object, first: str, last: str, reason: str, *, after: float = 0.0) -> None:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + after))
    patch = {"status": ended(first, last, reason, now)}
    await kube.merge_patch(JOBS, job["metadata"]["name"], patch, BUILD_NAMESPACE, "status")


def ended(first: str, last: str, reason: str, now: str) -> Object:
    """Return the status of a Job that ended at ``now``, with the condition ``last`` and the one before it."""
    common = {"status": "True", "lastTransitionTime": now, "lastProbeTime": now, "reason": reason}
    conditions = [{"type": first, **common}, {"type": last, **common}]
    outcome = {"completionTime": now, "succeeded": 1} if last == "Complete" else {"failed": 1}
    return {"startTime": now, "conditions": conditions, **outcome}


async def eventually(check: Callable[[], Awaitable[Any]], *, seconds: float = 30.0) -> Any:
    """Return the first truthy answer of ``check``; fail when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := await check()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{check.__qualname__} did not hold within {seconds} s")
        await asyncio.sleep(0.05)
    return answer


def condition_of(body: Object, kind: str) -> dict[str, Any]:
    """Return a condition of an object, or an empty one."""
    conditions = (body.get("status") or {}).get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), {})


def is_current(body: Object) -> bool:
    """Tell whether an engine's status speaks of its newest spec."""
    return bool(body["status"]["observedGeneration"] == body["metadata"]["generation"])
