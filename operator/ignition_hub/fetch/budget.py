"""What all engines of one run share: its connections, its time, and the trust in the store's certificate."""

import contextlib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass

from ignition_hub.fetch.node_source import NodeCache
from ignition_hub.fetch.range_requests import CONNECTIONS, RangeConnection
from ignition_hub.wire.deadline import Deadline


@dataclass(frozen=True, slots=True)
class FetchBudget:
    """The connections carry one engine after the other, so several take no more memory than one."""

    connections: tuple[RangeConnection, ...]
    deadline: Deadline
    tls: ssl.SSLContext
    node_cache: NodeCache | None = None


@contextlib.contextmanager
def fetch_budget(
    seconds: float, tls: ssl.SSLContext, node_cache: NodeCache | None = None
) -> Iterator[FetchBudget]:
    """Give what one run may use in ``seconds``; its connections are closed at the end of the block."""
    deadline = Deadline(seconds)
    connections = tuple(RangeConnection(deadline) for _ in range(CONNECTIONS))
    try:
        yield FetchBudget(connections, deadline, tls, node_cache)
    finally:
        for connection in connections:
            connection.disconnect()
