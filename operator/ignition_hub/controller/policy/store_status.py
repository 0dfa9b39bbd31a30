"""
What the status of an EngineStore says: whether its bucket opens, what the gateways found of its server, and
whether it is the default. Pure.

The controller reads, so it looks at the bucket itself; what only a write shows the gateways find out, each on
its own. Of what they found the worst is told.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignition_hub.api.quotas import StorageUse
from ignition_hub.api.summary import size_line
from ignition_hub.controller.policy.status import condition
from ignition_hub.engine.names import PUBLISH_LEASE
from ignition_hub.engine.store_findings import CONDITIONAL_WRITES, StoreFindings, StoreReason, WritesReason

MOST_ENTRIES = 64
"""Namespaces of ``status.storage``; the metrics tell of all."""


FIELDS: Mapping[StoreReason, str] = {
    StoreReason.SEVERAL_DEFAULTS: "metadata.annotations",
    StoreReason.CREDENTIALS_INVALID: "spec.s3.credentialsSecretRef.name",
    StoreReason.BUCKET_NOT_FOUND: "spec.s3.bucket",
    StoreReason.ACCESS_DENIED: "spec.s3.credentialsSecretRef.name",
    StoreReason.REGION_MISTAKEN: "spec.s3.region",
    StoreReason.SIGNED_URLS_REFUSED: "spec.s3.endpoint",
    StoreReason.BUCKET_UNREACHABLE: "spec.s3.endpoint",
    StoreReason.BUCKET_REFUSES: "spec.s3",
}
"""Where the cause of each failure is, or is named."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How a look at one store ended; a failure has a ``message`` with what would work."""

    reason: StoreReason
    message: str = ""


@dataclass(frozen=True, slots=True)
class Heard:
    """
    What gateways said lately of the bucket that the EngineStore names, and why there is nothing.

    ``is_settled``: they were listened to for so long that each of them was heard.
    """

    findings: tuple[StoreFindings, ...] = ()
    reason: WritesReason = WritesReason.NOT_PROBED
    trouble: str = "no gateway was asked"
    is_settled: bool = False


def opens_for_engines(store: Mapping[str, Any] | None) -> bool:
    """Tell whether the status says that this store is in use and that its bucket answers."""
    status = (store or {}).get("status") or {}
    ready = {one["status"] for one in status.get("conditions") or () if one["type"] == "Ready"}
    return status.get("default") is True and ready == {"True"}


def store_status(
    store: Mapping[str, Any],
    probe: Probe,
    *,
    default: str,
    now: str,
    used: Sequence[StorageUse] = (),
    heard: Heard = Heard(),
) -> dict[str, Any]:
    """
    Return the whole status at ``now`` (RFC 3339); ``default`` names the store in use, if any.

    ``used`` is what its namespaces use of their quotas; the status tells of the fullest. ``heard`` is what
    the gateways found of its bucket.
    """
    metadata, standing = store["metadata"], store.get("status") or {}
    verdicts = (
        ("Ready", *_readiness(store, probe, default, heard)),
        (CONDITIONAL_WRITES, *_conditional_writes(store, default, heard)),
    )
    return {
        "observedGeneration": metadata["generation"],
        "conditions": [condition(standing, metadata["generation"], now, verdict) for verdict in verdicts],
        "default": metadata["name"] == default,
        **({"storage": storage_entries(used)} if used else {}),
    }


def storage_entries(used: Sequence[StorageUse]) -> list[dict[str, str]]:
    """Return an entry for each of the fullest namespaces, by name."""
    fullest = sorted(used, key=lambda one: (-one.used / max(one.quota, 1), one.namespace))[:MOST_ENTRIES]
    return [
        {"namespace": one.namespace, "used": size_line(one.used) or "0", "quota": size_line(one.quota) or "0"}
        for one in sorted(fullest, key=lambda one: one.namespace)
    ]


def _readiness(store: Mapping[str, Any], probe: Probe, default: str, heard: Heard) -> tuple[str, str, str]:
    if probe.reason is not StoreReason.BUCKET_REACHABLE:
        return "False", probe.reason, f"{FIELDS[probe.reason]}: {probe.message}"
    refused = [one for one in heard.findings if one.reason != StoreReason.BUCKET_REACHABLE]
    if refused:
        reason = _known(refused[0].reason)
        return "False", reason, f"{FIELDS[reason]}: a gateway found: {refused[0].message}"
    s3, notes = store["spec"]["s3"], dict.fromkeys(note for one in heard.findings for note in one.notes)
    use = "it is the default" if store["metadata"]["name"] == default else f"EngineStore {default} is used"
    return (
        "True",
        probe.reason,
        "; ".join((f"bucket {s3['bucket']} at {s3['endpoint']} answers", use, *notes)),
    )


def _known(reason: str) -> StoreReason:
    """Return the reason that a gateway gave; one that only a later release knows is a refusal."""
    known = StoreReason(reason) if reason in set(StoreReason) else StoreReason.BUCKET_REFUSES
    return known if known in FIELDS else StoreReason.BUCKET_REFUSES


def _conditional_writes(store: Mapping[str, Any], default: str, heard: Heard) -> tuple[str, str, str]:
    if store["metadata"]["name"] != default:
        return "Unknown", WritesReason.NOT_IN_USE, "the gateways probe the bucket of the EngineStore in use"
    asked = [one for one in heard.findings if one.conditional is not None]
    worst = next((one for one in asked if not one.conditional), None)
    if worst is not None:
        return "False", WritesReason.NOT_HONOURED, _in_turns(worst)
    if not asked:
        reason = WritesReason.NOT_PROBED if heard.findings else heard.reason
        trouble = heard.findings[0].message if heard.findings else heard.trouble
        return "Unknown", reason, f"what the server does with conditional writes is not known: {trouble}"
    if not heard.is_settled and (standing := _standing_refusal(store)):
        return standing
    held = ", ".join(asked[0].holds)
    return "True", WritesReason.HONOURED, f"publications take no turns, for these hold: {held}"


def _in_turns(worst: StoreFindings) -> str:
    held = f"; these hold: {', '.join(worst.holds)}" if worst.holds else ""
    return (
        f"publications take turns by the Lease {PUBLISH_LEASE}, and only the gateways write into the bucket: "
        f"{'; '.join(worst.broken)}{held}"
    )


def _standing_refusal(store: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Return what was told before of the same spec: a gateway that was not heard yet may have found it."""
    for one in (store.get("status") or {}).get("conditions") or ():
        kind, generation = one["type"], one.get("observedGeneration")
        if (kind, one["status"], generation) == (
            CONDITIONAL_WRITES,
            "False",
            store["metadata"]["generation"],
        ):
            return "False", one["reason"], one["message"]
    return None
