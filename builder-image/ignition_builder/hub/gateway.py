"""
The builder's side of the gateway: seven calls, each with a deadline, repeated while repeating can help.

The token names the pod, and the pod its Job, so no call says which build it is about.
"""

import http.client
import json
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Any

from ignition_builder.report import kind_of
from ignition_hub.engine import environment
from ignition_hub.engine.codec import Record
from ignition_hub.engine.errors import ContractError, IgnitionError, NodeError, Reason, TransientError
from ignition_hub.engine.protocol import (
    Completion,
    Failure,
    ProgressReport,
    StartedUpload,
    TimingCacheRead,
    TimingCacheWrite,
    Upload,
)
from ignition_hub.engine.request import BuildGrant
from ignition_hub.engine.timing_cache import StoredTimingCache, TimingCacheUpload
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import explained, is_passing
from ignition_hub.wire.response import GatewayResponse
from ignition_hub.wire.token import read_token

SELF = "/v1/builds/self"
CALL_SECONDS = 30.0
PROGRESS_SECONDS = 5.0
PATIENCE_SECONDS = 120.0
"""How long a call is repeated before the gateway counts as away."""
COMPLETE_SECONDS = 900.0
"""The gateway reads the whole engine before it answers ``complete``."""
MAX_ANSWER = 16 * 1024 * 1024
_SOON = (Reason.TokenRejected, Reason.BuildNotFound)
"""Answers a young pod may get: the API server's word of it has not reached every gateway yet."""
SOON_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class GatewayClient:
    """Calls the gateway; the token is read for every attempt, because the kubelet replaces it."""

    address: Address
    token_file: Path
    tls: SSLContext
    patience: float = PATIENCE_SECONDS

    def grant(self) -> BuildGrant:
        """Ask what to build, with URLs of the versions that the gateway looked at, which take If-Match."""
        target = f"{SELF}?if-match=true"
        return BuildGrant.from_json(self._call("GET", target, None, Deadline(self.patience)))

    def progress(self, phase: str, percent: int) -> bool:
        """Say how far the build is; whether it was heard. The next word is better than a repetition."""
        try:
            self._attempt("POST", f"{SELF}/progress", ProgressReport(phase, percent), PROGRESS_SECONDS)
        except (_Refused, IgnitionError):
            return False
        return True

    def upload(self, size: int, sha256: str, part_size: int) -> StartedUpload:
        """Begin an upload of ``size`` bytes."""
        body = Upload(size, sha256, part_size)
        return StartedUpload.from_json(self._call("POST", f"{SELF}/upload", body, Deadline(self.patience)))

    def complete(self, done: Completion) -> str:
        """Publish what was uploaded and return its URI; repeating it gives the same answer."""
        deadline = Deadline(max(self.patience, COMPLETE_SECONDS))
        answer = self._call("POST", f"{SELF}/complete", done, deadline, COMPLETE_SECONDS)
        return str(answer.get("uri", ""))

    def timing_cache(self, cuda: str, deadline: Deadline) -> StoredTimingCache:
        """Ask for the timing cache of this build; ``cuda`` is the release that TensorRT here is made for."""
        body = TimingCacheRead(cuda)
        return StoredTimingCache.from_json(self._call("POST", f"{SELF}/timing-cache", body, deadline))

    def timing_cache_upload(
        self, cuda: str, size: int, etag: str | None, deadline: Deadline
    ) -> TimingCacheUpload:
        """Ask for a place to write ``size`` bytes over the version ``etag``, or where there is none."""
        body = TimingCacheWrite(cuda, size, etag)
        return TimingCacheUpload.from_json(self._call("POST", f"{SELF}/timing-cache/upload", body, deadline))

    def failed(self, error: IgnitionError, seconds: float) -> None:
        """Say why there is no engine."""
        body = Failure(str(error.reason), str(error), error.exit_code)
        self._call("POST", f"{SELF}/failed", body, Deadline(seconds))

    def _call(
        self, method: str, path: str, body: Record | None, deadline: Deadline, seconds: float = CALL_SECONDS
    ) -> dict[str, Any]:
        attempt, soon = 0, Deadline(min(SOON_SECONDS, deadline.left))
        while True:
            try:
                return self._attempt(method, path, body, deadline.timeout(seconds))
            except _Refused as refused:
                worth = refused.again or (refused.error.reason in _SOON and not soon.passed)
                if not worth or deadline.passed:
                    raise refused.error from refused
            attempt += 1
            deadline.pause(attempt)

    def _attempt(self, method: str, path: str, body: Record | None, seconds: float) -> dict[str, Any]:
        connection = self.address.connection(self.tls, seconds)
        target = self.address.target.rstrip("/") + path
        headers = {"Authorization": f"Bearer {self._token()}", "Accept": "application/json"}
        data = None if body is None else json.dumps(body.to_json()).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, target, body=data, headers=headers)
            response = connection.getresponse()
            return _accepted(GatewayResponse.of(response.status, response.read(MAX_ANSWER)))
        except (OSError, http.client.HTTPException) as error:
            message = f"the gateway at {self.address.place}: {explained(error)}"
            raise _Refused(TransientError(Reason.GatewayUnavailable, message), again=True) from error
        finally:
            connection.close()

    def _token(self) -> str:
        try:
            return read_token(self.token_file)
        except ValueError as error:
            raise NodeError(
                Reason.InvalidRequest,
                f"{environment.TOKEN_FILE}: {self.token_file} cannot be read ({error})",
                "the pod needs a projected ServiceAccount token there",
            ) from error


class _Refused(Exception):
    """An answer, kept until it is known whether another attempt helps."""

    def __init__(self, error: IgnitionError, *, again: bool) -> None:
        super().__init__(str(error))
        self.error, self.again = error, again


def _accepted(answer: GatewayResponse) -> dict[str, Any]:
    if answer.status == http.client.NO_CONTENT:
        return {}
    if answer.status == http.client.OK and answer.body is not None:
        return answer.body
    raise _Refused(_error(answer), again=is_passing(answer.status))


def _error(answer: GatewayResponse) -> IgnitionError:
    try:
        reason = Reason(answer.reason)
    except ValueError:
        if answer.status == http.client.OK:
            return ContractError("the gateway answered 200 with something that is not a JSON object")
        refused = answer.status == http.client.UNAUTHORIZED
        reason = Reason.TokenRejected if refused else Reason.GatewayUnavailable
    return kind_of(reason)(reason, answer.message)
