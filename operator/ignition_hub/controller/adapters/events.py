"""
Tell people what happened to an engine, as events: on a transition only, and after the status is written.
On a pod that its gate holds: why it waits, where it waits for more than a build. On an EngineStore: what was
found of its bucket.

Losing one is no loss of truth, so a failure to post is logged and forgotten.
"""

import hashlib
import logging
import secrets
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from ignition_hub.compatibility.loading import described
from ignition_hub.controller.policy.status import Decision, shortened
from ignition_hub.controller.policy.views import Additions, JobAction, Need
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.state import State
from ignition_hub.kube import ENGINES, EVENTS, PODS, STORES, Conflict, Kube, KubeError, Object

logger = logging.getLogger(__name__)

OF_THE_CLUSTER = "default"
"""The namespace of events on objects that have none: Kubernetes takes them in no other but kube-system."""
COMPONENT = "ignitionhub.io/controller"

TARGET_ADDED, TARGET_REMOVED = "TargetAdded", "TargetRemoved"

NAMES = {
    State.READY: "BuildSucceeded",
    State.FAILED: "BuildFailed",
    State.UNBUILDABLE: "Unbuildable",
}


def event_of(engine: Object, decision: Decision, *, instance: str) -> Object | None:
    """Return the event for one target, or None when it is where it was."""
    snapshot, plan = decision.snapshot, decision.plan
    earlier = snapshot.earlier.state if snapshot.earlier else None
    if plan.action is JobAction.CREATE_JOB:
        return _event(
            engine, "BuildStarted", f"{snapshot.target.name}: {plan.message}", instance, warns=False
        )
    if plan.reason is Reason.EngineMissing:
        return _event(engine, plan.reason, f"{snapshot.target.name}: {plan.message}", instance, warns=True)
    if plan.state == earlier or plan.state not in NAMES:
        return None
    reason = "EngineReused" if plan.reason is Reason.Reused else NAMES[plan.state]
    note = f"{snapshot.target.name}: {plan.reason}: {plan.message}"
    return _event(engine, reason, note, instance, warns=plan.state is not State.READY)


def events_of_additions(engine: Object, additions: Additions, *, instance: str) -> Iterator[Object]:
    """Yield what became of targets that pods need: to their authors, and to those of the TensorRTEngine."""
    name = engine["metadata"]["name"]
    for one, need in additions.new:
        why = f"{one.target.name}: {one.why}"
        yield _event(engine, TARGET_ADDED, why, instance, warns=False)
        yield _event(
            _as_object(engine, need), TARGET_ADDED, f"TensorRTEngine {name}: {why}", instance, warns=False
        )
    for one in additions.removed:
        note = f"{one.target.name}: no pod needs the target for {one.gpu}, or spec.targets has it"
        yield _event(engine, TARGET_REMOVED, note, instance, warns=False)
    for refusal in additions.refusals:
        note = f"TensorRTEngine {name} has no target for {described(refusal.need.gpu)}: {refusal.message}"
        yield _event(_as_object(engine, refusal.need), Reason.AutoBuildRefused, note, instance, warns=True)


def _as_object(engine: Object, need: Need) -> Object:
    """Return as much of a pod as an event names."""
    metadata = {"name": need.pod, "namespace": engine["metadata"]["namespace"], "uid": need.uid}
    return {"apiVersion": PODS.api_version, "kind": PODS.kind, "metadata": metadata}


def events_of_store(before: Object, after: Object, *, instance: str) -> Iterator[Object]:
    """
    Yield what became of the conditions of an EngineStore: when one is False, and when it was and is True.

    Unknown is no news: it says that nothing was heard, and what was told last may hold.
    """
    about = {"apiVersion": STORES.api_version, "kind": STORES.kind, "metadata": after["metadata"]}
    earlier = {one["type"]: one["status"] for one in _conditions(before)}
    for one in _conditions(after):
        was, now = earlier.get(one["type"]), one["status"]
        if was != now and (now == "False" or (was, now) == ("False", "True")):
            note = f"{one['type']} is {now}: {one['message']}"
            yield _event(about, one["reason"], note, instance, warns=now == "False")


def _conditions(store: Object) -> Sequence[Object]:
    return (store.get("status") or {}).get("conditions") or []


def waiting_event(pod: Object, note: str, *, instance: str) -> Object:
    """Return the event of a gated pod that waits for more than a build; its name is the same for one note."""
    once = hashlib.sha256(f"{pod['metadata']['uid']}/{note}".encode()).hexdigest()
    about = {"apiVersion": PODS.api_version, "kind": PODS.kind, "metadata": pod["metadata"]}
    said = f"the pod waits: {note}"
    return _event(about, "EngineUnavailable", said, instance, warns=True, once=once[:16])


async def post(kube: Kube, event: Object) -> None:
    """Create an event; never fail. One of the same name says it already."""
    try:
        await kube.create(EVENTS, event, event["metadata"]["namespace"])
    except Conflict:
        logger.debug("the event %s is there already", event["metadata"]["name"])
    except KubeError as error:
        logger.warning("an event was not posted: %s", error)


def _event(about: Object, reason: str, note: str, instance: str, *, warns: bool, once: str = "") -> Object:
    metadata = about["metadata"]
    return {
        "metadata": {
            "name": f"{metadata['name'][:200]}.{once or secrets.token_hex(8)}",
            "namespace": metadata.get("namespace", OF_THE_CLUSTER),
        },
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": COMPONENT,
        "reportingInstance": instance[:128],
        "action": "Reconcile",
        "reason": reason,
        "type": "Warning" if warns else "Normal",
        "note": shortened(note),
        "regarding": {
            "apiVersion": about.get("apiVersion", ENGINES.api_version),
            "kind": about.get("kind", ENGINES.kind),
            "name": metadata["name"],
            **({"namespace": metadata["namespace"]} if "namespace" in metadata else {}),
            "uid": metadata["uid"],
        },
    }
