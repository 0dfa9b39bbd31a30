"""
The public keys that manifests are believed by, as the gateway serves them over TLS.

Kept in memory and asked for again when they are old, or when a manifest is signed by a key nobody here knows:
after a rotation. While the gateway is away, the keys known last go on being believed.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

from ignition_hub.controller.adapters.gateway import FAILURES, answer_of
from ignition_hub.engine.errors import IgnitionError, Reason, TransientError
from ignition_hub.store.trust import PublicKeys, keys_from_json

OLD = 300.0
"""Seconds after which keys are asked for again."""
EAGER = 10.0
"""Seconds that must lie between two requests, whatever the store holds."""


class GatewayKeys:
    """Keys of the gateway at ``url``; ``ca_file`` holds the certificates it is verified with."""

    def __init__(
        self, url: str, ca_file: Path | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._url = f"{url.rstrip('/')}/v1/keys"
        self._ca_file = ca_file
        self._clock = clock
        self._keys: PublicKeys | None = None
        self._asked_at = float("-inf")
        self._lock = asyncio.Lock()

    async def get(self, *, renewed: bool = False) -> PublicKeys:
        """Return the keys, with ``renewed`` asked for just now; ``TransientError`` while none are known."""
        async with self._lock:
            age = self._clock() - self._asked_at
            if self._keys is None or age > (EAGER if renewed else OLD):
                await self._renew()
            if self._keys is None:
                raise TransientError(
                    Reason.GatewayUnavailable, f"{self._url} returned no keys", "the request is retried"
                )
            return self._keys

    async def _renew(self) -> None:
        self._asked_at = self._clock()
        try:
            self._keys = keys_from_json(await answer_of(self._url, self._ca_file))
        except (*FAILURES, IgnitionError) as error:
            if self._keys is None:
                why = str(error) or type(error).__name__
                message = f"cannot read the gateway's keys at {self._url}: {why}"
                raise TransientError(Reason.GatewayUnavailable, message, "the request is retried") from error
