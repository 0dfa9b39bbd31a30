"""
A real S3 server for tests, on the loopback: versitygw, or the one of ``stores.table`` that ``CHOSEN`` names.

    with S3Server.start() as s3:
        s3.endpoint, s3.access_key, s3.secret_key, s3.create_bucket("engines")

Its program comes from ``python -m stores build NAME``. It needs no root.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from stores.kinds import REGION, Kind
from stores.server import Server, running
from stores.table import CHOSEN_BY, SERVERS, USUAL

__all__ = ["CHOSEN", "REGION", "S3Server"]

CHOSEN = SERVERS[os.environ.get(CHOSEN_BY) or USUAL.name]


class S3Server(Server):
    """A running server; make it with ``start``."""

    @classmethod
    @contextlib.contextmanager
    def start(
        cls, kind: Kind = CHOSEN, *, host: str = "127.0.0.1", tls: tuple[Path, Path] | None = None
    ) -> Iterator[Server]:
        """Run a server until the block ends; ``tls``: a certificate, its key."""
        with running(kind, host=host, tls=tls) as server:
            yield server
