"""
One run of prune at a time removes, whichever replica it talks to: a Lease says which.

Each page of a run renews it, so a run that was cut off gives way after ``SECONDS``. It saves work and keeps
the report of a run its own; that a removal is safe does not rest on it, so the clocks of replicas may differ.
"""

from datetime import UTC, datetime
from typing import Any

from ignition_hub.engine.errors import Reason, TransientError
from ignition_hub.kube import LEASES, Conflict, Kube, Object

NAME = "ignition-hub-prune"
SECONDS = 60
"""Longer than one page takes, with a store that answers late."""
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class PruneLease:
    """The Lease of the run that removes."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace

    async def renew(self, run: str) -> None:
        """Have ``run`` go on for ``SECONDS``; TransientError while another does, KubeError."""
        lease = await self._kube.get(LEASES, NAME, self._namespace)
        holder = holder_of(lease, datetime.now(UTC)) if lease else None
        if holder not in {None, run}:
            raise _taken()
        try:
            await self._write(lease, run)
        except Conflict as error:
            raise _taken() from error

    async def release(self, run: str) -> None:
        """Let another run begin."""
        lease = await self._kube.get(LEASES, NAME, self._namespace)
        if lease is not None and holder_of(lease, datetime.now(UTC)) == run:
            await self._write(lease, "")

    async def _write(self, lease: Object | None, holder: str) -> None:
        now = datetime.now(UTC).strftime(_TIME)
        spec: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": SECONDS,
            "renewTime": now,
        }
        if lease is None:
            await self._kube.create(LEASES, {"metadata": {"name": NAME}, "spec": spec}, self._namespace)
        else:
            await self._kube.replace(LEASES, NAME, {**lease, "spec": spec}, self._namespace)


def holder_of(lease: Object, now: datetime) -> str | None:
    """Return the run that removes; None when none does, or it was not heard of for too long."""
    spec = lease.get("spec") or {}
    try:
        renewed = datetime.strptime(spec.get("renewTime") or "", _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    age = abs((now - renewed).total_seconds())
    return (spec.get("holderIdentity") or None) if age < SECONDS else None


def _taken() -> TransientError:
    message = "another run of prune is removing objects"
    return TransientError(Reason.GatewayUnavailable, message, "try again when it has ended")
