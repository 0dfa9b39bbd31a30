"""
What the gateways found of the bucket in use, as they say it one after another.

A question reaches one of the replicas, whichever the Service chooses, so what each said is kept for a while:
the status tells of the worst. What one said of another bucket than the EngineStore names now counts for
nothing.
"""

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ignition_hub.controller.adapters.gateway import FAILURES, answer_of
from ignition_hub.controller.policy.store_status import Heard
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.store_findings import BucketPlace, StoreFindings, WritesReason
from ignition_hub.store.settings import place_of

REMEMBERED = 600.0
"""
Seconds for which a replica counts that was not heard again. Asked twice a minute, one of several is heard
within them; and for as long a gateway may be away before its word is not told any more.
"""


class GatewayFindings:
    """Findings of the gateway at ``url``; ``token_file`` holds a token for it, None: it is not asked."""

    def __init__(
        self,
        url: str,
        ca_file: Path | None,
        token_file: Path | None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url, self._ca_file, self._token_file = f"{url.rstrip('/')}/v1/store", ca_file, token_file
        self._clock = clock
        self._place: BucketPlace | None = None
        self._since = clock()
        self._said: dict[str, tuple[float, StoreFindings]] = {}

    async def heard(self, store: Mapping[str, Any]) -> Heard:
        """Ask once more, and return what was heard lately of the bucket that an EngineStore names."""
        if (place := place_of(store)) != self._place:
            self._place, self._since, self._said = place, self._clock(), {}
        if self._token_file is None:
            return Heard()
        reason, trouble = WritesReason.NOT_PROBED, "no gateway has looked at this bucket yet"
        try:
            self._note(await self._ask(self._token_file))
        except (*FAILURES, ContractError) as error:
            reason = WritesReason.GATEWAY_UNREACHABLE
            trouble = f"{self._url} does not answer: {str(error) or type(error).__name__}"
        now = self._clock()
        self._said = {name: one for name, one in self._said.items() if now - one[0] < REMEMBERED}
        lately = tuple(findings for _, (_, findings) in sorted(self._said.items()))
        return Heard(lately, reason, trouble, is_settled=now - self._since >= REMEMBERED)

    def _note(self, findings: StoreFindings) -> None:
        if findings.place == self._place:
            self._said[findings.replica] = (self._clock(), findings)

    async def _ask(self, token_file: Path) -> StoreFindings:
        return StoreFindings.from_json(await answer_of(self._url, self._ca_file, _headers(token_file)))


def _headers(token_file: Path) -> dict[str, str]:
    """Return who asks; read each time, for the kubelet renews the token."""
    return {"Authorization": f"Bearer {token_file.read_text().strip()}"}
