"""
Ask the gateway which engine fits, and wait while the answer is "not yet".

The request says only the engine's name: namespace, pod and node come from the token, which the gateway
has reviewed. So nothing here could ask for another pod's engine.
"""

import http.client
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from ignition_hub.engine.errors import ENDINGS, ContractError, Reason
from ignition_hub.engine.fallback import MODEL, ON_MISS, FallbackAnswer, FallbackFile
from ignition_hub.engine.fingerprint import MOST_DATA_FILES
from ignition_hub.engine.naming import is_plain_path
from ignition_hub.engine.pod_annotations import OnMiss
from ignition_hub.engine.quoting import shown
from ignition_hub.engine.selection import Selection, selection_in
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.settings import FetchSettings
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import Transient, explained, is_passing
from ignition_hub.wire.response import GatewayResponse
from ignition_hub.wire.token import read_token

CALL_SECONDS = 20.0
LARGEST_ANSWER = 4 * 1024 * 1024
DIGEST = re.compile(r"[0-9a-f]{64}")

ENDS_WITH = frozenset(reason for reason, row in ENDINGS.items() if row.http and row.fetcher)
"""Reasons of the gateway's answers with which this program ends; any other is told by its status."""

T = TypeVar("T")
Teller = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Resolved:
    """
    The engine for this pod's GPU: where its bytes are for a while, and what they must be.

    ``size`` is in bytes, ``sha256`` the digest the manifest was signed with; ``record`` is the gateway's
    answer without the URL, kept beside the engine.
    """

    source: Address
    size: int
    sha256: str
    record: dict[str, Any]

    @property
    def file_name(self) -> str:
        """The engine's name as people read it."""
        return str(self.record.get("file_name", self.record.get("name", "engine")))

    @property
    def selection(self) -> Selection | None:
        """Why the gateway chose it; None where it does not say so."""
        return selection_in(self.record)


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """
    The ONNX model that this pod gets because no engine fits: where its files are for a while.

    ``answer`` says what they must be; ``record`` is it without the URLs, kept beside the model.
    """

    answer: FallbackAnswer
    sources: tuple[Address, ...]
    record: dict[str, Any]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.answer.files)

    @property
    def file_name(self) -> str:
        """The model's name as people read it."""
        return f"{self.answer.name} as ONNX"

    def in_words(self) -> str:
        """Say what the pod has, and why."""
        return f"{self.answer.name}: the ONNX model and no engine: {self.answer.why}."


def resolve(
    resource: str, settings: FetchSettings, deadline: Deadline, tell: Teller
) -> Resolved | ResolvedModel:
    """
    Return the engine of ``resource`` that fits this pod's GPU, asking until there is one.

    With ``OnMiss.FALLBACK`` it may be the model instead.

    ``tell`` hears why it waits, once per cause, so that a pod that hangs can be understood from its log.

    Raises FetchError: at once where asking again would not help, else at the deadline with the last answer.
    """
    attempt, told = 0, ""
    while True:
        try:
            answer = ask(resource, settings, deadline)
        except Transient as error:
            waiting = FetchError(
                Reason.GatewayUnavailable,
                f"the gateway at {settings.gateway.place} cannot be used: {error}",
                "Check that its Deployment is ready and that NetworkPolicies let this pod reach it.",
            )
        else:
            if answer.status == http.client.OK:
                return read_answer(resource, answer.body or {})
            waiting = refusal(resource, answer)
            if not asking_again_helps(answer, settings.on_miss):
                raise waiting
        if waiting.message != told:
            told = waiting.message
            tell(f"waiting: {told}")
        attempt += 1
        deadline.pause(attempt)
        if deadline.passed:
            raise _at_deadline(waiting, deadline)


def ask(resource: str, settings: FetchSettings, deadline: Deadline) -> GatewayResponse:
    """POST one resolve; Transient when no whole answer came."""
    address = settings.gateway
    connection = address.connection(settings.gateway_tls, deadline.timeout(CALL_SECONDS))
    headers = {
        "Authorization": f"Bearer {_token(settings)}",
        "Content-Type": "application/json",
        "Accept": "application/json",
    }
    path = f"{address.target.rstrip('/')}/v1/engines/{resource}/resolve"
    if settings.on_miss is OnMiss.FALLBACK:
        path += f"?{ON_MISS}={settings.on_miss}"
    try:
        connection.request("POST", path, body=b"{}", headers=headers)
        response = connection.getresponse()
        return GatewayResponse.of(response.status, _bounded(response.read(LARGEST_ANSWER + 1)))
    except (OSError, http.client.HTTPException, UnicodeError) as error:  # UnicodeError: an impossible host
        raise Transient(explained(error)) from error
    finally:
        connection.close()


def _token(settings: FetchSettings) -> str:
    try:
        return read_token(settings.token_file)
    except ValueError as error:
        raise FetchError(
            Reason.InvalidRequest,
            f"the token file {settings.token_file} cannot be read: {error}",
            "The webhook mounts it; delete the pod so that it is injected again.",
        ) from error


def _bounded(data: bytes) -> bytes:
    if len(data) > LARGEST_ANSWER:
        raise Transient(f"its answer is larger than {LARGEST_ANSWER} bytes")
    return data


def asking_again_helps(answer: GatewayResponse, on_miss: OnMiss) -> bool:
    """Whether the same question may be answered otherwise in a while."""
    if answer.reason == Reason.NoEngineForGPU:
        # To who falls back only where the model cannot be delivered, or by a gateway of an earlier release.
        return on_miss is not OnMiss.FAIL
    return answer.reason == Reason.EngineNotReady or is_passing(answer.status)


def refusal(resource: str, answer: GatewayResponse) -> FetchError:
    """Translate an answer that is no engine into this program's own error."""
    reason = own_reason(answer)
    return FetchError(reason, f"engine {resource}: {answer.message}", ENDINGS[reason].remedy)


def own_reason(answer: GatewayResponse) -> Reason:
    """Return the reason this program ends with: the gateway's where it has a code for it, else by status."""
    if answer.reason in ENDS_WITH:
        return Reason(answer.reason)
    if answer.status in (http.client.UNAUTHORIZED, http.client.FORBIDDEN):
        return Reason.NotPermitted
    if answer.status == http.client.NOT_FOUND:
        return Reason.InvalidRequest
    return Reason.GatewayUnavailable


def read_answer(resource: str, body: dict[str, Any]) -> Resolved | ResolvedModel:
    """Return what the gateway says is there for this pod."""
    return read_model(resource, body) if body.get("delivered") == MODEL else read_resolved(resource, body)


def read_model(resource: str, body: dict[str, Any]) -> ResolvedModel:
    """Check the answer that is a model; one that this side cannot believe is refused by name."""
    try:
        answer = FallbackAnswer.from_json(body)
        _require_model(answer)
        sources = tuple(Address.of(file.url) for file in answer.files)
    except (ValueError, ContractError) as error:
        raise _not_usable(resource, error) from error
    files = [{"name": file.name, "size": file.size} for file in answer.files]
    return ResolvedModel(answer, sources, {**body, "files": files})


def _require_model(answer: FallbackAnswer) -> None:
    """Raise ValueError unless the files are one model and its data, under names that stay in one folder."""
    names = [file.name for file in answer.files]
    if not DIGEST.fullmatch(answer.sha256):
        raise ValueError(f"field sha256 is {shown(answer.sha256)}")
    if len(set(names)) != len(names) or len(names) > MOST_DATA_FILES + 1:
        raise ValueError(f"field files names {len(names)} files, and some twice or too many")
    if len(models := [name for name in names if is_model(name)]) != 1 or models != names[:1]:
        raise ValueError(f"field files does not begin with the one .onnx file: {shown(names)}")
    if "/" in models[0]:
        raise ValueError(f"field files has its model in a folder: {shown(models[0])}")
    if not answer.is_bundle and len(names) != 1:
        raise ValueError(f"field files has {len(names)} files and is no bundle")
    for file in answer.files:
        _require_file(file)


def _require_file(file: FallbackFile) -> None:
    if not is_plain_path(file.name) or file.size <= 0:
        raise ValueError(f"field files has {shown(file.name)} of {file.size} bytes")


def is_model(name: str) -> bool:
    """Tell the ONNX file of a bundle from its data."""
    return name.lower().endswith(".onnx")


def read_resolved(resource: str, body: dict[str, Any]) -> Resolved:
    """Check the gateway's answer field by field; an answer this side cannot believe is refused by name."""
    try:
        source = Address.of(_field(body, "url", str))
        size = _field(body, "size", int, lambda size: size > 0)
        sha256 = _field(body, "sha256", str, lambda text: DIGEST.fullmatch(text) is not None)
    except ValueError as error:
        raise _not_usable(resource, error) from error
    return Resolved(source, size, sha256, {key: value for key, value in body.items() if key != "url"})


def _not_usable(resource: str, error: Exception) -> FetchError:
    return FetchError(
        Reason.GatewayUnavailable,
        f"engine {resource}: the gateway's answer cannot be used: {error}",
        "Gateway and fetcher have different versions; upgrade both with the chart.",
    )


def _field(body: dict[str, Any], name: str, kind: type[T], holds: Callable[[T], bool] = lambda _: True) -> T:
    value = body.get(name)
    if type(value) is kind and holds(value):
        return value
    raise ValueError(f"field {name} is {'missing' if value is None else shown(value)}")


def _at_deadline(last: FetchError, deadline: Deadline) -> FetchError:
    waited = f"{last.message} (the last answer in {deadline.seconds:.0f} s)"
    return FetchError(last.reason, waited, last.remedy)
