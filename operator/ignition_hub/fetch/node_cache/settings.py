"""What the cache of a node is told when it starts."""

import argparse
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ignition_hub.wire.address import Address, tls_context


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """
    Where to listen, what to keep and where it comes from.

    ``engines`` is the address below which the store has engines; nothing else is ever asked for.
    ``max_bytes`` is the most that is kept in ``folder``, engines that are being fetched included.
    """

    port: int
    folder: Path
    max_bytes: int
    engines: Address
    tls: ssl.SSLContext | None
    store_tls: ssl.SSLContext


def parse_settings(arguments: Sequence[str]) -> CacheSettings:
    """Read the flags; exit with usage when one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m ignition_hub.fetch.node_cache", description=__doc__)
    parser.add_argument("--port", type=int, default=8445)
    parser.add_argument("--folder", type=Path, required=True, help="existing folder; it is emptied")
    parser.add_argument("--max-bytes", type=int, required=True)
    parser.add_argument("--engines", required=True, help="URL of the store's engines, with bucket and prefix")
    parser.add_argument("--tls-cert", type=Path, help="certificate chain (PEM)")
    parser.add_argument("--tls-key", type=Path, help="private key (PEM)")
    parser.add_argument("--ca-file", type=Path, help="certificates (PEM) to trust of the store, in addition")
    given = parser.parse_args(arguments)
    try:
        tls = server_tls(given.tls_cert, given.tls_key) if given.tls_cert else None
        authorities = given.ca_file.read_text(encoding="ascii") if given.ca_file else None
        return CacheSettings(
            port=given.port,
            folder=given.folder,
            max_bytes=given.max_bytes,
            engines=Address.of(given.engines.rstrip("/") + "/"),
            tls=tls,
            store_tls=tls_context(authorities, only=False),
        )
    except (OSError, ValueError) as error:
        parser.error(str(error))


def server_tls(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what this server proves itself with; OSError (``ssl.SSLError`` is one) when it does not fit."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
