"""What the builder is told from outside: its environment, read once."""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ignition_hub.engine import environment
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.names import TOKEN_FILE
from ignition_hub.wire.address import Address, tls_context


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the gateway is, how to be believed by it, and where to work."""

    gateway: Address
    token_file: Path
    work_dir: Path
    gateway_tls: ssl.SSLContext
    store_tls: ssl.SSLContext

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Settings":
        """Read ``environ``; raises RequestError (InvalidRequest) that names the bad variable."""
        authorities = _authorities(environ.get(environment.CA_FILE, ""))
        return cls(
            gateway=_gateway(environ.get(environment.GATEWAY_URL, "")),
            token_file=Path(environ.get(environment.TOKEN_FILE) or TOKEN_FILE),
            work_dir=_folder(environ.get(environment.WORK_DIR, "")),
            gateway_tls=_tls(authorities, only=True),
            # A bucket may have a certificate of the hub's authority or of a public one.
            store_tls=_tls(authorities, only=False),
        )


def _gateway(url: str) -> Address:
    try:
        return Address.of(url)
    except ValueError as error:
        raise _bad(environment.GATEWAY_URL, url, str(error)) from error


def _folder(path: str) -> Path:
    folder = Path(path)
    if not path or not folder.is_dir():
        raise _bad(environment.WORK_DIR, path, "not a directory")
    return folder.resolve()


def _authorities(path: str) -> str | None:
    if not path:
        return None
    try:
        return Path(path).read_text(encoding="ascii")
    except (OSError, UnicodeError) as error:
        raise _bad(environment.CA_FILE, path, str(error)) from error


def _tls(authorities: str | None, *, only: bool) -> ssl.SSLContext:
    try:
        return tls_context(authorities, only=only)
    except ValueError as error:
        raise _bad(environment.CA_FILE, "its content", str(error)) from error


def _bad(name: str, value: str, why: str) -> RequestError:
    return RequestError(
        Reason.InvalidRequest, f"{name}: {value!r}: {why}", "the controller sets it; see the Job's env"
    )
