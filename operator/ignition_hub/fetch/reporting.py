"""
Tell the gateway how the fetches of one run went: for its metrics, so once, briefly, and never with a failure.

Comes last, when every engine is in place or one cannot be. A gateway of an earlier release answers 404.
"""

import contextlib
import http.client
import json
import time
from collections.abc import Iterator, Sequence

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.fetch_report import FetchAccount, FetchReport
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.settings import FetchSettings
from ignition_hub.wire.token import read_token

CALL_SECONDS = 1.0
"""For each step of the one call: the pod's containers wait for it."""
PATH = "/v1/fetches"


class Stopwatch:
    """Measures the fetch of one engine: the time until there is an answer, and the time it is downloaded."""

    def __init__(self) -> None:
        self._waited = 0.0
        self._began: float | None = None
        self._waited_before = 0.0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Count the block as waiting for an answer."""
        asked = time.monotonic()
        try:
            yield
        finally:
            self._waited += time.monotonic() - asked

    def begin(self) -> None:
        """Begin the download: the engines of a run come one after the other."""
        self._began, self._waited_before = time.monotonic(), self._waited

    def account(self, outcome: str, fetched_bytes: int, reason: str = "") -> FetchAccount:
        """Return what there is to tell."""
        since = 0.0 if self._began is None else time.monotonic() - self._began
        seconds = max(0.0, since - (self._waited - self._waited_before))
        return FetchAccount(outcome, round(self._waited, 3), round(seconds, 3), fetched_bytes, reason)


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
