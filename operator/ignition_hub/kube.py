"""
The Kubernetes API as a few verbs on plain dicts.

Controller and gateway read and write the cluster through one ``Kube`` each. ``kubernetes.aio`` supplies
log-in and transport only: its generated models raise on fields they do not know, and an operator must
carry documents of newer clusters unharmed. Building a request is pure (``path_of``), sending it is
``Kube.send``: every request has a deadline and passes one rate limiter, and every failure leaves as one
of the errors below.

    KubeError
    ├── NotFound       404
    ├── Conflict       409: it exists already, or it changed since it was read
    ├── Invalid        422: the schema or an admission rule refuses the object
    ├── Forbidden      403: RBAC, a quota, or a namespace that is being deleted
    └── Unavailable    429, 5xx, no connection, no answer in time: try again later
"""

import asyncio
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import ApiClient, Configuration

from ignition_hub.engine.names import FIELD_MANAGER, GROUP, VERSION

Object = dict[str, Any]
"""One Kubernetes object, as its JSON."""

DEADLINE = 30.0
"""Seconds one request may take, its answer included."""

PAGE = 500
"""Objects per page of a list: spares the API server's memory."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Where one kind lives in the API."""

    group: str
    version: str
    plural: str
    namespaced: bool
    kind: str

    @property
    def api_version(self) -> str:
        """Return what objects of this kind carry as ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version


ENGINES = Resource(GROUP, VERSION, "tensorrtengines", namespaced=True, kind="TensorRTEngine")
POOLS = Resource(GROUP, VERSION, "buildpools", namespaced=False, kind="BuildPool")
STORES = Resource(GROUP, VERSION, "enginestores", namespaced=False, kind="EngineStore")
JOBS = Resource("batch", "v1", "jobs", namespaced=True, kind="Job")
PODS = Resource("", "v1", "pods", namespaced=True, kind="Pod")
NODES = Resource("", "v1", "nodes", namespaced=False, kind="Node")
SECRETS = Resource("", "v1", "secrets", namespaced=True, kind="Secret")
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False, kind="Namespace")
LEASES = Resource("coordination.k8s.io", "v1", "leases", namespaced=True, kind="Lease")
EVENTS = Resource("events.k8s.io", "v1", "events", namespaced=True, kind="Event")
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", namespaced=False, kind="TokenReview")
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False, kind="SubjectAccessReview"
)


class KubeError(Exception):
    """The API server refused a request, or did not answer."""

    def __init__(self, status: int, message: str, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reason = reason


class NotFound(KubeError):  # noqa: N818  # names an answer of the API, as in every Kubernetes client
    """The object, or its namespace, does not exist."""


class Conflict(KubeError):  # noqa: N818
    """The object exists already (``reason`` is AlreadyExists), or changed since it was read."""


class Invalid(KubeError):  # noqa: N818
    """The schema or an admission rule refuses the object; the message says which field."""


class Forbidden(KubeError):  # noqa: N818
    """RBAC, a quota or a terminating namespace refuses the request."""


class Unavailable(KubeError):  # noqa: N818
    """The API server is away, slow or throttling; nothing is known about the request's effect."""


KINDS_OF_ERROR: Mapping[int, type[KubeError]] = {403: Forbidden, 404: NotFound, 409: Conflict, 422: Invalid}


@dataclass(frozen=True, slots=True)
class TokenUser:
    """Who a token belongs to, in the words of the API server."""

    username: str
    uid: str
    groups: tuple[str, ...]
    extra: Mapping[str, tuple[str, ...]]
    namespace: str | None
    """Namespace of the ServiceAccount; None for other users."""
    service_account: str | None
    pod_name: str | None
    """The pod the token is bound to; None for tokens that are not."""
    pod_uid: str | None
    node_name: str | None
    """The node that pod runs on."""


class RateLimiter:
    """
    Space requests out: ``qps`` a second, ``burst`` at once after a rest, ``in_flight`` at a time.

    One waiting request books the next free moment, so requests leave in the order they asked.
    """

    def __init__(self, *, qps: float = 50.0, burst: int = 100, in_flight: int = 32) -> None:
        self._interval = 1.0 / qps
        self._allowance = burst * self._interval
        self._next = 0.0
        self._in_flight = asyncio.Semaphore(in_flight)

    async def __aenter__(self) -> None:
        await self._in_flight.acquire()
        try:
            await asyncio.sleep(self._book())
        except BaseException:
            self._in_flight.release()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._in_flight.release()

    def _book(self) -> float:
        now = asyncio.get_running_loop().time()
        at = max(self._next, now - self._allowance + self._interval)
        self._next = at + self._interval
        return max(0.0, at - now)


def path_of(
    resource: Resource, name: str | None = None, namespace: str | None = None, subresource: str | None = None
) -> str:
    """Return the URL path of a kind, or of one object of it; Invalid for a name that would leave it."""
    parts = ["apis", resource.group, resource.version] if resource.group else ["api", resource.version]
    if resource.namespaced and namespace:
        parts += ["namespaces", namespace]
    parts.append(resource.plural)
    parts += [part for part in (name, subresource) if part]
    # Quoting leaves dots alone, and HTTP clients resolve such a segment: ``namespaces/..`` is all of them.
    if any(part in {".", ".."} for part in parts):
        raise Invalid(422, f"{name or namespace!r} is not a name")
    return "/" + "/".join(quote(part, safe="") for part in parts)


class Kube:
    """
    One connection to the API server; make it with ``connect`` and end it with ``close``.

    ``writes`` counts the requests that change something, by verb and resource (``create jobs``,
    ``patch tensorrtengines/status``): the figure the project answers for.
    """

    def __init__(self, client: ApiClient, limiter: RateLimiter) -> None:
        self.writes: Counter[str] = Counter()
        self._client = client
        self._limiter = limiter

    @classmethod
    async def connect(
        cls, *, kubeconfig: str | None = None, context: str | None = None, limiter: RateLimiter | None = None
    ) -> Self:
        """
        Log in: with ``kubeconfig`` when given, else in-cluster, else with ``KUBECONFIG`` or its default.

        Raise ``kubernetes.aio.config.ConfigException`` when none of them is there.
        """
        configuration = Configuration()
        path = kubeconfig or os.environ.get("KUBECONFIG")
        if path is None and "KUBERNETES_SERVICE_HOST" in os.environ:
            config.load_incluster_config(client_configuration=configuration)
        else:
            await config.load_kube_config(
                config_file=path, context=context, client_configuration=configuration
            )
        return cls(ApiClient(configuration), limiter or RateLimiter())

    async def close(self) -> None:
        """Close every connection."""
        await self._client.close()

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        """Return one object, or None when it does not exist."""
        try:
            return await self.send("GET", path_of(resource, name, namespace))
        except NotFound:
            return None

    async def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[Object]:
        """
        Return every object of a kind, in one namespace or in all, page by page.

        ``labels`` and ``fields`` are selectors as ``kubectl`` writes them.
        """
        query = {"limit": str(PAGE), "labelSelector": labels, "fieldSelector": fields, "continue": None}
        found: list[Object] = []
        while True:
            page = await self.send("GET", path_of(resource, namespace=namespace), query=query)
            found += page.get("items") or []
            query["continue"] = page.get("metadata", {}).get("continue") or None
            if query["continue"] is None:
                return found

    async def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        """Create an object and return it; ``Conflict`` when the name is taken."""
        self.writes[f"create {resource.plural}"] += 1
        return await self.send("POST", path_of(resource, namespace=namespace), body=_typed(resource, body))

    async def replace(
        self, resource: Resource, name: str, body: Object, namespace: str | None = None
    ) -> Object:
        """Replace an object; with its ``resourceVersion``, ``Conflict`` when it changed since it was read."""
        self.writes[f"replace {resource.plural}"] += 1
        return await self.send("PUT", path_of(resource, name, namespace), body=_typed(resource, body))

    async def merge_patch(
        self,
        resource: Resource,
        name: str,
        body: Object,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> Object:
        """Merge ``body`` into an object (RFC 7386: null removes, lists are replaced); return the result."""
        target = f"{resource.plural}/{subresource}" if subresource else resource.plural
        self.writes[f"patch {target}"] += 1
        path = path_of(resource, name, namespace, subresource)
        return await self.send("PATCH", path, body=body, content_type="application/merge-patch+json")

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        propagation: str = "Background",
        uid: str | None = None,
    ) -> None:
        """Delete an object; with ``uid``, only that incarnation. Absent is success."""
        self.writes[f"delete {resource.plural}"] += 1
        body: Object = {"propagationPolicy": propagation}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            await self.send("DELETE", path_of(resource, name, namespace), body=body)
        except NotFound:
            return

    async def review_token(self, token: str, audience: str) -> TokenUser | None:
        """Ask the API server whose token this is; None when it is not valid for ``audience``."""
        review = {"spec": {"token": token, "audiences": [audience]}}
        path = path_of(TOKEN_REVIEWS)
        answer = await self.send("POST", path, body=_typed(TOKEN_REVIEWS, review))
        return token_user(answer.get("status") or {}, audience)

    async def may(self, user: TokenUser, verb: str, resource: Resource, namespace: str) -> bool:
        """Ask the API server whether ``user`` may do ``verb`` on a resource in a namespace."""
        attributes = {
            "namespace": namespace,
            "verb": verb,
            "group": resource.group,
            "version": resource.version,
            "resource": resource.plural,
        }
        extra = {key: list(values) for key, values in user.extra.items()}
        asker = {"user": user.username, "uid": user.uid, "groups": list(user.groups), "extra": extra}
        body = _typed(SUBJECT_ACCESS_REVIEWS, {"spec": {**asker, "resourceAttributes": attributes}})
        answer = await self.send("POST", path_of(SUBJECT_ACCESS_REVIEWS), body=body)
        return bool((answer.get("status") or {}).get("allowed"))

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | None] | None = None,
        body: Object | None = None,
        content_type: str = "application/json",
    ) -> Object:
        """Send one request and return its JSON; raise one of this module's errors otherwise."""
        asked = {key: value for key, value in (query or {}).items() if value is not None}
        if method in {"POST", "PUT", "PATCH"}:
            asked["fieldManager"] = FIELD_MANAGER
        url = f"{self._client.configuration.host}{path}" + (f"?{urlencode(asked)}" if asked else "")
        headers = {"Accept": "application/json", "Content-Type": content_type, "User-Agent": FIELD_MANAGER}
        try:
            async with self._limiter:
                return await self._exchange(method, url, headers, body)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(0, f"{method} {path}: {error or type(error).__name__}") from error

    async def _exchange(self, method: str, url: str, headers: dict[str, str], body: Object | None) -> Object:
        await self._client.update_params_for_auth(headers, [], ["BearerToken"], url, method, body)
        deadline = aiohttp.ClientTimeout(total=DEADLINE)
        answer = await self._client.call_api(method, url, headers, body, _request_timeout=deadline)
        text = await answer.read()
        if answer.status >= 400:
            raise error_of(answer.status, text)
        document: Object = json.loads(text) if text else {}
        return document


def error_of(status: int, text: bytes) -> KubeError:
    """Translate an error answer, which is usually a ``Status`` object, into this module's error."""
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    answer = document if isinstance(document, dict) else {}
    message = answer.get("message") or text[:500].decode(errors="replace") or f"status {status}"
    fallback = Unavailable if status == 429 or status >= 500 else KubeError
    return KINDS_OF_ERROR.get(status, fallback)(status, message, answer.get("reason") or "")


def token_user(status: Object, audience: str) -> TokenUser | None:
    """Read a TokenReview's status; None unless it is authenticated for ``audience``."""
    if not status.get("authenticated") or audience not in (status.get("audiences") or []):
        return None
    user = status.get("user") or {}
    username = user.get("username") or ""
    account = username.split(":") if username.startswith("system:serviceaccount:") else []
    extra = {key: tuple(values) for key, values in (user.get("extra") or {}).items()}
    return TokenUser(
        username=username,
        uid=user.get("uid") or "",
        groups=tuple(user.get("groups") or ()),
        extra=extra,
        namespace=account[2] if len(account) == 4 else None,
        service_account=account[3] if len(account) == 4 else None,
        pod_name=_first(extra, "authentication.kubernetes.io/pod-name"),
        pod_uid=_first(extra, "authentication.kubernetes.io/pod-uid"),
        node_name=_first(extra, "authentication.kubernetes.io/node-name"),
    )


def _first(extra: Mapping[str, tuple[str, ...]], key: str) -> str | None:
    return next(iter(extra.get(key, ())), None)


def _typed(resource: Resource, body: Object) -> Object:
    return {"apiVersion": resource.api_version, "kind": resource.kind, **body}
