"""
Leader election with a Lease, its expiry measured by the local monotonic clock.

Two controllers run, one works. A Lease names the leader; the leader rewrites it every few seconds. The
others never compare its timestamps with their own clock: they remember *when they saw it change* and take
over when it has not changed for its duration. A leader that cannot renew stops working before that.
Election alone is not safety (a paused process resumes past its lease), so every write stays harmless with
two leaders: names are deterministic, ``AlreadyExists`` is success, deletions name a uid.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from ignition_hub.kube import LEASES, Conflict, Kube, KubeError, NotFound, Object

logger = logging.getLogger(__name__)


class LeaseClient(Protocol):
    """The three calls an election needs."""

    async def read(self) -> Object | None:
        """Return the Lease, or None."""

    async def create(self, spec: dict[str, Any]) -> Object:
        """Create it; ``Conflict`` when somebody was faster."""

    async def replace(self, lease: Object, spec: dict[str, Any]) -> Object:
        """Replace the version read; ``Conflict`` when somebody was faster."""


class KubeLease:
    """The Lease ``name`` in ``namespace``."""

    def __init__(self, kube: Kube, name: str, namespace: str) -> None:
        self._kube, self._name, self._namespace = kube, name, namespace

    async def read(self) -> Object | None:
        """Return the Lease, or None."""
        return await self._kube.get(LEASES, self._name, self._namespace)

    async def create(self, spec: dict[str, Any]) -> Object:
        """Create it; ``Conflict`` when somebody was faster."""
        return await self._kube.create(
            LEASES, {"metadata": {"name": self._name}, "spec": spec}, self._namespace
        )

    async def replace(self, lease: Object, spec: dict[str, Any]) -> Object:
        """Replace the version read; ``Conflict`` when somebody was faster."""
        return await self._kube.replace(LEASES, self._name, {**lease, "spec": spec}, self._namespace)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds; the defaults are those of client-go."""

    duration: float = 15.0
    """How long a Lease that does not change still counts."""
    renew_within: float = 10.0
    """A leader that did not renew for so long stops working: before ``duration`` by a margin."""
    retry: float = 2.0
    """Between two looks at the Lease."""


class Election:
    """One candidate."""

    def __init__(
        self,
        lease: LeaseClient,
        identity: str,
        *,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._lease = lease
        self._identity = identity
        self._timing = timing or Timing()
        self._clock = clock
        self._seen: tuple[Any, ...] | None = None
        self._seen_at = 0.0
        self.renewed_at: float | None = None
        """Monotonic time of the last renewal while leading; None while not."""

    @property
    def leads(self) -> bool:
        """Tell whether this candidate may work now."""
        return self.renewed_at is not None and self._clock() - self.renewed_at < self._timing.renew_within

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Wait for leadership, then run ``lead`` for as long as it lasts; again and again until cancelled."""
        while True:
            await self._await_leadership()
            logger.info("leading", extra={"identity": self._identity})
            work = asyncio.ensure_future(lead())
            try:
                await self._renew_until_lost(work)
            finally:
                await _stop(work)
                await self._release()
            if not work.cancelled():
                work.result()
            logger.warning("leadership lost", extra={"identity": self._identity})

    async def attempt(self) -> bool:
        """Look at the Lease once, take or renew it when that is due, and tell whether it is ours."""
        try:
            return await self._take_or_renew()
        except Conflict:
            return False

    async def _take_or_renew(self) -> bool:
        now = self._clock()
        lease = await self._lease.read()
        if lease is None:
            self._renewed(await self._lease.create(self._spec(transitions=0)), now)
            return True
        spec = lease.get("spec") or {}
        self._remember(spec)
        if not self._is_ours(spec) and not self._is_free(spec):
            self.renewed_at = None
            return False
        changes_hands = not self._is_ours(spec)
        transitions = int(spec.get("leaseTransitions") or 0) + changes_hands
        acquired = None if changes_hands else spec.get("acquireTime")
        self._renewed(await self._lease.replace(lease, self._spec(transitions, acquired)), now)
        return True

    def _is_ours(self, spec: dict[str, Any]) -> bool:
        return bool(spec.get("holderIdentity") == self._identity)

    def _is_free(self, spec: dict[str, Any]) -> bool:
        if not spec.get("holderIdentity"):
            return True
        duration = float(spec.get("leaseDurationSeconds") or self._timing.duration)
        return self._clock() - self._seen_at >= duration

    def _remember(self, spec: dict[str, Any]) -> None:
        record = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if record != self._seen:
            self._seen, self._seen_at = record, self._clock()

    def _renewed(self, lease: Object, asked_at: float) -> None:
        # Counted from before the request: a slow answer must not lengthen the lease.
        self._remember(lease.get("spec") or {})
        self.renewed_at = asked_at

    def _spec(self, transitions: int, acquired: str | None = None) -> dict[str, Any]:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": max(1, round(self._timing.duration)),
            "acquireTime": acquired or now,
            "renewTime": now,
            "leaseTransitions": transitions,
        }

    async def _await_leadership(self) -> None:
        while True:
            try:
                if await self.attempt():
                    return
            except KubeError as error:
                logger.warning("cannot read the lease: %s", error)
            await asyncio.sleep(self._timing.retry)

    async def _renew_until_lost(self, work: "asyncio.Future[None]") -> None:
        while not work.done() and self.leads:
            await asyncio.wait([work], timeout=self._timing.retry)
            if work.done():
                return
            try:
                if not await asyncio.wait_for(self.attempt(), self._remaining()):
                    # Conflict may be our own earlier write whose answer was lost; the clock decides.
                    logger.warning("the lease was not renewed", extra={"identity": self._identity})
            except (KubeError, TimeoutError) as error:
                logger.warning("cannot renew the lease: %s", str(error) or type(error).__name__)

    def _remaining(self) -> float:
        elapsed = self._clock() - (self.renewed_at or 0.0)
        return max(0.1, self._timing.renew_within - elapsed)

    async def _release(self) -> None:
        """Hand the Lease back, so that the other replica need not wait for it to expire."""
        if not self.leads:
            return
        self.renewed_at = None
        with contextlib.suppress(KubeError, TimeoutError):
            async with asyncio.timeout(self._timing.retry):
                await self._give_back()

    async def _give_back(self) -> None:
        lease = await self._lease.read()
        if lease and self._is_ours(lease.get("spec") or {}):
            with contextlib.suppress(Conflict, NotFound):
                await self._lease.replace(lease, {**lease["spec"], "holderIdentity": ""})


async def _stop(work: "asyncio.Future[None]") -> None:
    if not work.done():
        work.cancel()
        await asyncio.wait([work])
