"""
What the status of an EngineStore says: whether its bucket opens, and whether it is the default. Pure.

Whether the service honours conditional writes is not told: only a write could find out. The gateway writes,
and its metric ``ignition_gateway_store_conditional_writes`` has the answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignition_hub.api.quotas import StorageUse
from ignition_hub.api.summary import size_line
from ignition_hub.controller.policy.status import condition
from ignition_hub.engine.enums import StrEnum

MOST_ENTRIES = 64
"""Namespaces of ``status.storage``; the metrics tell of all."""


class StoreReason(StrEnum):
    """Why an EngineStore is Ready or not."""

    BUCKET_REACHABLE = "BucketReachable"
    SEVERAL_DEFAULTS = "SeveralDefaults"
    CREDENTIALS_INVALID = "CredentialsInvalid"
    BUCKET_NOT_FOUND = "BucketNotFound"
    ACCESS_DENIED = "AccessDenied"
    BUCKET_UNREACHABLE = "BucketUnreachable"
    BUCKET_REFUSES = "BucketRefuses"


FIELDS: Mapping[StoreReason, str] = {
    StoreReason.SEVERAL_DEFAULTS: "metadata.annotations",
    StoreReason.CREDENTIALS_INVALID: "spec.s3.credentialsSecretRef.name",
    StoreReason.BUCKET_NOT_FOUND: "spec.s3.bucket",
    StoreReason.ACCESS_DENIED: "spec.s3.credentialsSecretRef.name",
    StoreReason.BUCKET_UNREACHABLE: "spec.s3.endpoint",
    StoreReason.BUCKET_REFUSES: "spec.s3",
}
"""Where the cause of each failure is, or is named."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How a look at one store ended; a failure has a ``message`` with what would work."""

    reason: StoreReason
    message: str = ""


def opens_for_engines(store: Mapping[str, Any] | None) -> bool:
    """Tell whether the status says that this store is in use and that its bucket answers."""
    status = (store or {}).get("status") or {}
    ready = {one["status"] for one in status.get("conditions") or () if one["type"] == "Ready"}
    return status.get("default") is True and ready == {"True"}


def store_status(
    store: Mapping[str, Any], probe: Probe, *, default: str, now: str, used: Sequence[StorageUse] = ()
) -> dict[str, Any]:
    """
    Return the whole status at ``now`` (RFC 3339); ``default`` names the store in use, if any.

    ``used`` is what its namespaces use of their quotas; the status tells of the fullest.
    """
    metadata = store["metadata"]
    verdict = ("Ready", *_readiness(store, probe, default))
    return {
        "observedGeneration": metadata["generation"],
        "conditions": [condition(store.get("status") or {}, metadata["generation"], now, verdict)],
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


def _readiness(store: Mapping[str, Any], probe: Probe, default: str) -> tuple[str, str, str]:
    if probe.reason is not StoreReason.BUCKET_REACHABLE:
        return "False", probe.reason, f"{FIELDS[probe.reason]}: {probe.message}"
    s3 = store["spec"]["s3"]
    use = "it is the default" if store["metadata"]["name"] == default else f"EngineStore {default} is used"
    return "True", probe.reason, f"bucket {s3['bucket']} at {s3['endpoint']} answers; {use}"
