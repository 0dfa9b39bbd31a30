"""
Ask the gateway for one page after another until the whole store was looked at.

How a request is sent is the caller's: ``kubectl ignition prune`` goes through kubectl, a pod directly.
"""

import http.client
import secrets
import time
from collections.abc import Callable

from ignition_hub.engine.errors import ContractError, IgnitionError, Reason, TransientError
from ignition_hub.retention.documents import PruneAnswer, PruneRequest, Total
from ignition_hub.wire.back_off import BackOff
from ignition_hub.wire.outcomes import Transient, is_passing
from ignition_hub.wire.response import GatewayResponse

ATTEMPTS = 5
"""In a row, for one page: it can be asked for again, because what is removed already is not found again."""
BACK_OFF = BackOff(first=2.0, longest=30.0)
PATH = "/v1/prune"
CALL_SECONDS = 60.0
"""How long the answer to one page may take: the gateway ends each within half of that."""

Ask = Callable[[PruneRequest], GatewayResponse]
"""Sends one request; Transient when no whole answer came."""
Watch = Callable[[Total], None]
"""Hears the sum after every page."""


class PruneRefused(IgnitionError):
    """The gateway answered that it will not; the same request is refused again."""


def run(
    ask: Ask,
    *,
    dry_run: bool,
    watch: Watch = lambda total: None,
    pause: Callable[[float], None] = time.sleep,
) -> Total:
    """
    Return what was removed and kept in the whole store; with ``dry_run`` what would be.

    Raise PruneRefused, or TransientError when no answer to a page came after ``ATTEMPTS``. What was removed
    until then stays removed, and a repeat does the rest.
    """
    total, after, name = Total(), "", secrets.token_hex(16)
    while True:
        answer = _page(ask, PruneRequest(dry_run, name, after), pause)
        total.add(answer)
        watch(total)
        if answer.after is None:
            return total
        if answer.after < after or (answer.after == after and not answer.removed):
            raise ContractError(f"the gateway answered to go on after {answer.after!r:.160} once more")
        after = answer.after


def _page(ask: Ask, request: PruneRequest, pause: Callable[[float], None]) -> PruneAnswer:
    why = ""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            response = ask(request)
        except Transient as error:
            why = str(error)
        else:
            if response.status == http.client.OK:
                return PruneAnswer.from_json(response.body)
            if not is_passing(response.status):
                raise PruneRefused(_reason_of(response), response.message)
            why = response.message
        if attempt < ATTEMPTS:
            pause(BACK_OFF.delay(attempt))
    raise TransientError(Reason.GatewayUnavailable, why, "run it again: it continues where it stopped")


def _reason_of(response: GatewayResponse) -> Reason:
    try:
        return Reason(response.reason)
    except ValueError:
        return Reason.InvalidRequest
