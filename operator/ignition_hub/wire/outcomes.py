"""What came of a call that brought no answer: try again, ask for another URL, and the words to say so."""

import http.client
import ssl

PASSING = frozenset(
    {http.client.REQUEST_TIMEOUT, http.client.TOO_EARLY, http.client.TOO_MANY_REQUESTS},
)
"""Statuses below 500 that say "not now"."""

_NO_TLS = frozenset({"WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG"})
"""What releases of OpenSSL call an answer in plain text."""


class Transient(Exception):
    """The other side did not answer, or said "not now": worth another attempt before the deadline."""


class LinkExpired(Exception):
    """The store refuses a presigned URL: its time is over, or the credentials behind it changed."""


def is_passing(status: int) -> bool:
    """Tell whether the same request may be answered otherwise in a while."""
    return status >= http.client.INTERNAL_SERVER_ERROR or status in PASSING


def explained(error: Exception) -> str:
    """Say in a few words why a network call failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError) and error.reason in _NO_TLS:
        return "it does not speak TLS"
    if isinstance(error, TimeoutError):
        return "it did not answer in time"
    return str(error) or type(error).__name__
