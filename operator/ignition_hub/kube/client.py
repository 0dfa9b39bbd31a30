"""
The verbs of the Kubernetes API, on plain dicts.

``kubernetes.aio`` supplies no models: the generated ones raise on fields they do not know, and an operator
must carry documents of newer clusters unharmed. ``connection`` sends the requests.
"""

import os
import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Self
from urllib.parse import urlencode

import aiohttp
from kubernetes.aio import config
from kubernetes.aio.client import Configuration

from ignition_hub.engine.names import FIELD_MANAGER
from ignition_hub.kube.connection import Connection
from ignition_hub.kube.documents import document_of, text_of
from ignition_hub.kube.errors import NotFound, Unavailable, error_of
from ignition_hub.kube.pace import RateLimiter
from ignition_hub.kube.resources import SUBJECT_ACCESS_REVIEWS, TOKEN_REVIEWS, Object, Resource, path_of
from ignition_hub.kube.tokens import TokenUser, token_user

DEADLINE = 30.0
"""Seconds one request may take, its answer included."""

PAGE = 500
"""Objects per page of a list: spares the API server's memory."""

WATCH_SECONDS = (240.0, 360.0)
"""How long a watch is asked for: between these, so that many do not end at once."""

SILENCE = 150.0
"""Seconds without a byte after which a watch counts as dead: a bookmark comes about once a minute."""


class Kube:
    """
    One connection to the API server; make it with ``connect`` and end it with ``close``.

    ``writes`` counts the requests that change something, by verb and resource (``create jobs``,
    ``patch tensorrtengines/status``): the figure the project answers for.
    """

    def __init__(self, connection: Connection, limiter: RateLimiter) -> None:
        self.writes: Counter[str] = Counter()
        self._connection = connection
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
        return cls(Connection(configuration), limiter or RateLimiter())

    def paced(self, limiter: RateLimiter) -> Self:
        """Return the same connection and counts with a budget of its own; closing either closes both."""
        paced = type(self)(self._connection, limiter)
        paced.writes = self.writes
        return paced

    async def close(self) -> None:
        """Close every connection."""
        await self._connection.close()

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
        found: list[Object] = []
        async for page in self.pages(resource, namespace, labels, fields):
            found += page.get("items") or []
        return found

    async def pages(
        self,
        resource: Resource,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
        *,
        size: int = PAGE,
    ) -> AsyncIterator[Object]:
        """Yield the pages of a list, ``size`` objects each; all of them are of one ``resourceVersion``."""
        query = {"limit": str(size), "labelSelector": labels, "fieldSelector": fields, "continue": None}
        while True:
            page = await self.send("GET", path_of(resource, namespace=namespace), query=query)
            yield page
            query["continue"] = page.get("metadata", {}).get("continue") or None
            if query["continue"] is None:
                return

    async def watch(
        self,
        resource: Resource,
        version: str,
        namespace: str | None = None,
        labels: str | None = None,
        fields: str | None = None,
    ) -> AsyncIterator[tuple[str, Object]]:
        """
        Yield what happens to a kind after ``version``: ``ADDED``, ``MODIFIED``, ``DELETED`` or ``BOOKMARK``.

        It ends by itself after some minutes: watch again from the last version seen. Raise ``Expired`` when
        the API server no longer has that version. A watch takes no place of the limiter.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(round(random.uniform(*WATCH_SECONDS))),  # noqa: S311  # spreads load
            "labelSelector": labels,
            "fieldSelector": fields,
        }
        path = path_of(resource, namespace=namespace)
        try:
            async for line in self._stream(path, {key: value for key, value in query.items() if value}):
                event = document_of(line)
                if event["type"] == "ERROR":
                    raise error_of(int(event["object"].get("code") or 500), text_of(event["object"]))
                yield event["type"], event["object"]
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise Unavailable(0, f"watch {path}: {str(error) or type(error).__name__}") from error

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

    async def apply(
        self, resource: Resource, name: str, body: Object, manager: str, namespace: str | None = None
    ) -> Object:
        """
        Apply ``body`` server-side as ``manager``, which owns all that it says and nothing else; return it.

        With its ``resourceVersion``, ``Conflict`` when it changed since it was read.
        """
        self.writes[f"patch {resource.plural}"] += 1
        return await self.send(
            "PATCH",
            path_of(resource, name, namespace),
            query={"fieldManager": manager, "force": "true"},
            body=_typed(resource, body),
            content_type="application/apply-patch+yaml",
        )

    async def delete(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        propagation: str = "Background",
        uid: str | None = None,
    ) -> Object | None:
        """
        Delete an object; with ``uid``, only that incarnation. Absent is success.

        Return the object when it stays for now, until its finalizers are gone.
        """
        self.writes[f"delete {resource.plural}"] += 1
        body: Object = {"propagationPolicy": propagation}
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            answer = await self.send("DELETE", path_of(resource, name, namespace), body=body)
        except NotFound:
            return None
        return answer if answer.get("kind") == resource.kind else None

    async def review_token(self, token: str, audience: str = "") -> TokenUser | None:
        """
        Ask the API server whose token this is; None when it is not valid for ``audience``.

        Without an audience, it is asked for the API server's own: what people and programs call it with.
        """
        review = {"spec": {"token": token, **({"audiences": [audience]} if audience else {})}}
        path = path_of(TOKEN_REVIEWS)
        answer = await self.send("POST", path, body=_typed(TOKEN_REVIEWS, review))
        return token_user(answer.get("status") or {}, audience)

    async def version(self) -> tuple[int, int]:
        """Return the release of the API server: major and minor."""
        answer = await self.send("GET", "/version")
        # Vendors write what they changed behind the number: 35+.
        major, minor = (re.match("[0-9]+", answer.get(name) or "") for name in ("major", "minor"))
        return int(major[0]) if major else 0, int(minor[0]) if minor else 0

    async def token_keys(self) -> Object:
        """Return the public keys that ServiceAccount tokens of this cluster are signed with, as a JWK set."""
        return await self.send("GET", "/openid/v1/jwks")

    async def may(
        self, user: TokenUser, verb: str, resource: Resource, namespace: str = "", *, name: str = ""
    ) -> bool:
        """Ask the API server whether ``user`` may do ``verb`` on a resource, or on the one of a name."""
        attributes = {
            "name": name,
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
        """Send one request and return its JSON; raise a ``KubeError`` otherwise."""
        asked = {key: value for key, value in (query or {}).items() if value is not None}
        if method in {"POST", "PUT", "PATCH"}:
            asked.setdefault("fieldManager", FIELD_MANAGER)
        target = f"{path}?{urlencode(asked)}" if asked else path
        data = None if body is None else text_of(body)
        headers = {"Content-Type": content_type} if data is not None else {}
        limits = aiohttp.ClientTimeout(total=DEADLINE)
        try:
            async with self._limiter:
                status, text = await self._connection.exchange(method, target, data, headers, limits)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(0, f"{method} {path}: {str(error) or type(error).__name__}") from error
        if status >= 400:
            raise error_of(status, text)
        document: Object = document_of(text) if text else {}
        return document

    async def _stream(self, path: str, query: Mapping[str, str]) -> AsyncIterator[bytes]:
        """Yield the lines of an answer that does not end."""
        limits = aiohttp.ClientTimeout(total=None, sock_connect=DEADLINE, sock_read=SILENCE)
        async for status, line in self._connection.lines(f"{path}?{urlencode(query)}", limits):
            if status >= 400:
                raise error_of(status, line)
            yield line


def _typed(resource: Resource, body: Object) -> Object:
    return {"apiVersion": resource.api_version, "kind": resource.kind, **body}
