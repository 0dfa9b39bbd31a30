"""
The edge: every failure leaves as a status and ``{"reason", "message"}``, and never as a traceback.
"""

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from ignition_hub.engine.errors import ENDINGS, IgnitionError, Reason, RequestError, TransientError
from ignition_hub.engine.quoting import shortened
from ignition_hub.kube import KubeError

log = logging.getLogger(__name__)

CLIENT_WENT_AWAY = 499
MESSAGE_CHARACTERS = 2048
"""The longest message of a refusal, whatever it quotes."""

REASON = web.RequestKey("reason", str)
"""What a refused request was refused for; the metrics count it."""

UNPROCESSABLE = 422
"""Answers a reason to which ``engine/errors.py`` gives no status."""


class NotPermitted(IgnitionError):
    """The caller is known and may not do this."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(Reason.NotPermitted, message, remedy)


class TokenRejected(TransientError):
    """There is no token, or the API server does not accept it for this audience."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(Reason.TokenRejected, message, remedy)


class ModelTooLarge(RequestError):
    """A model is above the hub's bound; both in bytes."""

    def __init__(self, size: int, most: int) -> None:
        remedy = "make the model smaller, or have the platform team raise the gateway's --max-model-bytes"
        super().__init__(
            Reason.ModelTooLarge, f"the model has {size} bytes; at most {most} are accepted", remedy
        )


class BuildNotFound(IgnitionError):
    """The pod of the token belongs to no build."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.BuildNotFound, message)


def status_of(error: IgnitionError) -> int:
    """Return the HTTP status of an error."""
    return ENDINGS[error.reason].http or UNPROCESSABLE


@web.middleware
async def translate_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn whatever goes wrong into the answer a client understands."""
    try:
        return await handler(request)
    except IgnitionError as error:
        return _response(request, status_of(error), error.reason, str(error))
    except KubeError as error:
        log.warning("Kubernetes API request failed: %s", error.message, extra={"status": error.status})
        return _response(
            request, 503, Reason.GatewayUnavailable, f"Kubernetes API request failed: {error.message}"
        )
    except web.HTTPException as error:
        return _response(request, error.status, Reason.InvalidRequest, error.text or error.reason)
    except (ConnectionError, web.RequestPayloadError) as error:
        # Nobody reads this answer; raised further it would be logged as a defect.
        log.info("%s %s: the client disconnected: %s", request.method, request.path, error)
        return _response(request, CLIENT_WENT_AWAY, Reason.InvalidRequest, "the client disconnected")
    except Exception:  # the outermost edge: a defect of ours must not reach the client as a traceback
        log.exception("%s %s failed", request.method, request.path)
        return _response(request, 500, Reason.GatewayUnavailable, "internal error; see the gateway's log")


def _response(request: web.Request, status: int, reason: Reason, message: str) -> web.Response:
    request[REASON] = str(reason)
    headers = {"Retry-After": "2"} if status >= 500 else {}
    document = {"reason": str(reason), "message": shortened(message, MESSAGE_CHARACTERS)}
    return web.json_response(document, status=status, headers=headers)
