"""
How a request to the API server fails.

    KubeError
    ├── NotFound       404
    ├── Conflict       409: it exists already, or it changed since it was read
    ├── Invalid        422: the schema or an admission rule refuses the object
    ├── Forbidden      403: RBAC, a quota, or a namespace that is being deleted
    ├── Expired        410: a watch or a list goes on from a version that the API server no longer has
    └── Unavailable    429, 5xx, no connection, no answer in time: try again later
"""

import json
from collections.abc import Mapping


class KubeError(Exception):
    """The API server refused a request, or did not answer."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason


class NotFound(KubeError):
    """The object, or its namespace, does not exist."""


class Conflict(KubeError):
    """The object exists already (``reason`` is AlreadyExists), or changed since it was read."""


class Invalid(KubeError):
    """The schema or an admission rule refuses the object; the message says which field."""


class Forbidden(KubeError):
    """RBAC, a quota or a terminating namespace refuses the request."""


class Expired(KubeError):
    """The API server no longer has the version that a watch or a list goes on from: list again."""


class Unavailable(KubeError):
    """The API server is away, slow or throttling; nothing is known about the request's effect."""


KINDS_OF_ERROR: Mapping[int, type[KubeError]] = {
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Expired,
    422: Invalid,
}


def error_of(status: int, text: bytes) -> KubeError:
    """Translate an error answer, which is usually a ``Status`` object, into one of these errors."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    answer = document if isinstance(document, dict) else {}
    message = answer.get("message") or text[:500].decode(errors="replace") or f"status {status}"
    fallback = Unavailable if status == 429 or status >= 500 else KubeError
    return KINDS_OF_ERROR.get(status, fallback)(status, message, answer.get("reason") or "")
