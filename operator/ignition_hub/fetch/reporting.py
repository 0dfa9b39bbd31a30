"""
Tell the gateway how the fetches of one run went: for its metrics, so once, briefly, and never with a failure.

Comes last, when every engine is in place or one cannot be. A gateway of an earlier release answers 404.
"""

import contextlib
import http.client
import json
import time
from collections.abc import Sequence

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.fetch_report import FetchAccount, FetchReport
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.settings import FetchSettings
from ignition_hub.wire.token import read_token

CALL_SECONDS = 1.0
"""For each step of the one call: the pod's containers wait for it."""
PATH = "/v1/fetches"


class Stopwatch:
    """Measures the fetch of one engine: the time until there is an answer, and the time from then on."""

    def __init__(self) -> None:
        self._began = self._last = time.monotonic()
        self._waited = 0.0

    def asks(self) -> None:
        """Begin to wait for an answer."""
        self._last = time.monotonic()

    def hears(self) -> None:
        """End the wait."""
        self._waited += time.monotonic() - self._last

    def account(self, outcome: str, fetched_bytes: int, reason: str = "") -> FetchAccount:
        """Return what there is to tell."""
        seconds = time.monotonic() - self._began - self._waited
        return FetchAccount(
            outcome, round(self._waited, 3), round(max(0.0, seconds), 3), fetched_bytes, reason
        )


def tell_gateway(settings: FetchSettings, accounts: Sequence[FetchAccount]) -> None:
    """Send the accounts of one run, if a gateway is there to hear them."""
    if not accounts or accounts[-1].reason == Reason.GatewayUnavailable:
        return
    with contextlib.suppress(OSError, http.client.HTTPException, ValueError, FetchError):
        _post(settings, json.dumps(FetchReport(tuple(accounts)).to_json()).encode())


def _post(settings: FetchSettings, body: bytes) -> None:
    address = settings.gateway
    connection = address.connection(settings.gateway_tls, CALL_SECONDS)
    token = read_token(settings.token_file)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request("POST", f"{address.target.rstrip('/')}{PATH}", body=body, headers=headers)
        connection.getresponse()
    finally:
        connection.close()
