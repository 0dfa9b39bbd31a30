"""
What one replica at a time may do, whichever replica was asked: a Lease says whose turn it is.

A turn is renewed while it lasts, so one that was cut off gives way after ``SECONDS``. Nothing rests on the
clocks of replicas but how long another waits for a turn that was cut off.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from ignition_hub.engine.errors import Reason, TransientError
from ignition_hub.engine.names import PUBLISH_LEASE
from ignition_hub.kube import LEASES, Conflict, Kube, KubeError, Object

PRUNE = "ignition-hub-prune"
"""The run of prune that removes: each page of it renews the turn."""
PUBLISH = PUBLISH_LEASE
"""The publication that writes, where the store keeps no two writers apart."""
IMAGES = "ignition-hub-images"
"""The push of an image: a large engine goes over the wire once."""
SECONDS = 60
"""Longer than a page of prune takes, with a store that answers late."""
PATIENCE = 20.0
"""Seconds for which a publication waits for its turn; its builder asks again."""
PAUSE = 0.5
_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"


class TurnTaken(TransientError):
    """Another holder is at it, and who waited has done nothing yet."""


class Turns:
    """The turns of one Lease; ``taken`` says what another holder is doing."""

    def __init__(self, kube: Kube, namespace: str, name: str, taken: str) -> None:
        self._kube, self._namespace, self._name, self._taken = kube, namespace, name, taken

    async def renew(self, holder: str) -> None:
        """Have ``holder`` go on for ``SECONDS``; TransientError while another does, KubeError."""
        lease = await self._kube.get(LEASES, self._name, self._namespace)
        current = holder_of(lease, datetime.now(UTC)) if lease else None
        if current not in {None, holder}:
            raise self._busy()
        try:
            await self._write(lease, holder)
        except Conflict as error:
            raise self._busy() from error

    async def release(self, holder: str) -> None:
        """Let another begin."""
        lease = await self._kube.get(LEASES, self._name, self._namespace)
        if lease is not None and holder_of(lease, datetime.now(UTC)) == holder:
            await self._write(lease, "")

    @contextlib.asynccontextmanager
    async def one(self) -> AsyncIterator[None]:
        """Wait for a turn and hold it for the block; TransientError after ``PATIENCE``, KubeError."""
        holder = uuid4().hex
        await self._begin(holder)
        renewing = asyncio.create_task(self._keep(holder))
        try:
            yield
        finally:
            renewing.cancel()
            with contextlib.suppress(KubeError):  # it gives way after SECONDS
                await self.release(holder)

    async def _begin(self, holder: str) -> None:
        give_up_at = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                return await self.renew(holder)
            except TransientError:
                if asyncio.get_running_loop().time() > give_up_at:
                    raise
            await asyncio.sleep(PAUSE * random.uniform(0.5, 1.5))  # noqa: S311  # spreads load

    async def _keep(self, holder: str) -> None:
        while True:
            await asyncio.sleep(SECONDS / 3)
            with contextlib.suppress(KubeError):  # two more attempts before it gives way
                await self.renew(holder)

    async def _write(self, lease: Object | None, holder: str) -> None:
        now = datetime.now(UTC).strftime(_TIME)
        spec: dict[str, Any] = {
            "holderIdentity": holder,
            "leaseDurationSeconds": SECONDS,
            "renewTime": now,
        }
        if lease is None:
            document = {"metadata": {"name": self._name}, "spec": spec}
            await self._kube.create(LEASES, document, self._namespace)
        else:
            await self._kube.replace(LEASES, self._name, {**lease, "spec": spec}, self._namespace)

    def _busy(self) -> TurnTaken:
        return TurnTaken(Reason.GatewayUnavailable, self._taken, "try again when it has ended")


def holder_of(lease: Object, now: datetime) -> str | None:
    """Return whose turn it is; None when it is nobody's, or its holder was not heard of for too long."""
    spec = lease.get("spec") or {}
    try:
        renewed = datetime.strptime(spec.get("renewTime") or "", _TIME).replace(tzinfo=UTC)
    except ValueError:
        return None
    age = abs((now - renewed).total_seconds())
    return (spec.get("holderIdentity") or None) if age < SECONDS else None
