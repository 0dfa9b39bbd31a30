"""
Tell people on the pod which engine it got and why, or why none, as an event: once for each, after the answer.

The answer never waits for it. Losing one is no loss of truth: what does not fit into the queue is dropped,
and a failure to post is logged and forgotten.
"""

import asyncio
import hashlib
import logging
import socket
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.quoting import printable, quoted
from ignition_hub.engine.selection import Selection
from ignition_hub.kube import EVENTS, PODS, Conflict, Kube, KubeError, Object, TokenUser

log = logging.getLogger(__name__)

COMPONENT = "ignitionhub.io/gateway"
CHOSEN = "EngineChosen"
FALLBACK = "EngineFallback"
WAITING = 512
"""The most events that wait: a large Deployment's pods come within seconds, and one is posted at a time."""
REMEMBERED = 4096
"""Of how many events it is known that they were told; the API server knows of the others by their name."""

NOTE_CHARACTERS = 1000
"""The API server takes a note of 1,024 bytes."""

POSTED, DROPPED, FAILED = "posted", "dropped", "failed"
"""What becomes of an event, as the metrics call it."""


@dataclass(frozen=True, slots=True)
class Notice:
    """What a pod is told of the engine of ``resource``; another ``subject`` is another event."""

    resource: str
    reason: str
    text: str
    subject: str
    warns: bool = False


def engine_chosen(resource: str, sha256: str, selection: Selection) -> Notice:
    """Say that a pod got the engine ``sha256``, and why that one."""
    return Notice(resource, CHOSEN, selection.in_words(), f"{selection.target}/{sha256}")


def no_engine(resource: str, error: IgnitionError) -> Notice:
    """Say why there is no engine for the GPU of a pod."""
    text = printable(str(error))
    return Notice(resource, str(error.reason), text, text, warns=True)


def model_delivered(resource: str, sha256: str, why: str) -> Notice:
    """Say that a pod got the ONNX model ``sha256``, and why no engine."""
    text = printable(f"the ONNX model and no engine: {why}")
    return Notice(resource, FALLBACK, text, f"model/{sha256}", warns=True)


class PodEvents:
    """Events about pods that wait to be posted by ``follow``; ``count`` is told what became of each."""

    def __init__(self, kube: Kube, count: Callable[[str], None]) -> None:
        self._kube, self._count = kube, count
        self._waiting: asyncio.Queue[Object] = asyncio.Queue(WAITING)
        self._told: OrderedDict[str, None] = OrderedDict()

    def tell(self, user: TokenUser, notice: Notice) -> None:
        """Have it posted on the pod of a token, unless that was done."""
        event = event_of(user, notice)
        name = event["metadata"]["name"]
        if name in self._told:
            return
        if self._waiting.full():
            self._count(DROPPED)
            return
        self._told[name] = None
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        self._waiting.put_nowait(event)

    async def follow(self) -> None:
        """Post what waits, one after another, for ever."""
        while True:
            await self._post(await self._waiting.get())

    async def _post(self, event: Object) -> None:
        try:
            await self._kube.create(EVENTS, event, event["metadata"]["namespace"])
        except Conflict:
            return  # another replica told it, or this one before it was restarted
        except KubeError as error:
            log.warning("an event was not posted: %s", error)
            self._count(FAILED)
        else:
            self._count(POSTED)


def event_of(user: TokenUser, notice: Notice) -> Object:
    """Return the event on the pod of a token; its name is the same whoever makes it for that notice."""
    key = "/".join((user.pod_uid or "", notice.resource, notice.subject))
    return {
        "metadata": {
            "name": f"{(user.pod_name or '')[:200]}.{hashlib.sha256(key.encode()).hexdigest()[:16]}",
            "namespace": user.namespace,
        },
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": COMPONENT,
        "reportingInstance": socket.gethostname()[:128],
        "action": "Resolve",
        "reason": notice.reason,
        "type": "Warning" if notice.warns else "Normal",
        "note": quoted(f"{notice.resource}: {notice.text}", NOTE_CHARACTERS),
        "regarding": {
            "apiVersion": PODS.api_version,
            "kind": PODS.kind,
            "name": user.pod_name,
            "namespace": user.namespace,
            "uid": user.pod_uid,
        },
    }
