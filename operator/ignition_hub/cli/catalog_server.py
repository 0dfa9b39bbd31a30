"""
The catalog as a page of this machine, for as long as ``kubectl ignition catalog --serve`` runs.

It shows what its user may list, so it is for that user alone: it listens on the loopback address, under a
path that others on the machine cannot guess, and answers to no name: that of another site could lead here.
"""

import hmac
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from ignition_hub.catalog.page import HEADERS, page
from ignition_hub.catalog.rows import CatalogRow
from ignition_hub.catalog.selection import Selection, shown
from ignition_hub.cli.errors import CliError
from ignition_hub.engine.errors import ContractError

HOST = "127.0.0.1"
CLIENT_SECONDS = 30.0
"""How long a client may take for its request: it is on this machine."""

Listing = Callable[[str], tuple[str, Sequence[CatalogRow]]]
"""Returns of which namespaces the rows are, in words, and the rows; the argument is a namespace, or empty."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a browser is answered."""

    status: int
    body: str
    kind: str = "text/plain"

    @property
    def headers(self) -> Mapping[str, str]:
        """Its headers: also a refusal is neither kept nor run."""
        return {**HEADERS, "Content-Type": f"{self.kind}; charset=utf-8"}


@dataclass(frozen=True, slots=True)
class CatalogSite:
    """The pages; ``path`` is secret, and where they are."""

    listing: Listing
    path: str = field(default_factory=lambda: f"/{secrets.token_urlsafe(16)}/")

    def reply(self, target: str, host: str, address: str) -> Reply:
        """Answer a request for ``target``, which named ``host``, at the ``address`` that is listened on."""
        asked = urlsplit(target)
        if host != address:
            return Reply(421, f"This is {address} and no other host.")
        if not hmac.compare_digest(asked.path.encode(), self.path.encode()):
            return Reply(404, "Open the address that the command printed.")
        try:
            # The first value of a name counts, as for the gateway.
            selection = Selection.of_query(dict(reversed(parse_qsl(asked.query))))
            scope, rows = self.listing(selection.namespace)
        except ContractError as error:
            return Reply(400, str(error))
        except CliError as error:
            return Reply(502, str(error))
        return Reply(200, page(shown(rows, selection), time.time(), scope=scope), "text/html")


@contextmanager
def listening(site: CatalogSite) -> Iterator[ThreadingHTTPServer]:
    """Give a server on a free port of the loopback address, closed when the block ends."""

    class Handler(BaseHTTPRequestHandler):
        timeout = CLIENT_SECONDS

        def do_GET(self) -> None:
            reply = site.reply(self.path, self.headers.get("Host", ""), address_of(server))
            body = reply.body.encode()
            self.send_response(reply.status)
            for name, value in {**reply.headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # the base class names it
            """Keep the path, which is secret, out of the terminal."""

    with ThreadingHTTPServer((HOST, 0), Handler) as server:
        yield server


def address_of(server: ThreadingHTTPServer) -> str:
    """Return host and port, as a browser names them."""
    return f"{HOST}:{server.server_port}"
