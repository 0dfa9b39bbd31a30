"""A real API server behind the few verbs that a walk has for a cluster (``memorykube.MemoryApi``)."""

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ignition_hub.engine.names import BUILD_NAMESPACE
from ignition_hub.kube import (
    ENGINES,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    POOLS,
    STORES,
    Conflict,
    NotFound,
    Object,
    Resource,
    error_of,
    path_of,
)

OURS = "walk-"
"""What the names of a walk's nodes begin with: other tests have nodes too."""

Ask = Callable[..., Any]
"""Sends a method, a path and a document; the answer has ``status`` and ``body``."""


class RealApi:
    """What people, Job controller and gateway do, one request after the other."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    @property
    def objects(self) -> dict[tuple[str, str, str], Object]:
        """Every object of the kinds that a walk has."""
        kinds = (ENGINES, JOBS, PODS, POOLS, STORES)
        return {
            (kind.plural, body["metadata"].get("namespace") or "", body["metadata"]["name"]): body
            for kind in kinds
            for body in self.all_of(kind)
        }

    def timestamp(self) -> str:
        """Return the time."""
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

    def all_of(self, resource: Resource) -> list[Object]:
        """Return every object of a kind."""
        return list(self._sent("GET", path_of(resource))["items"])

    def create(self, resource: Resource, body: Object, namespace: str | None) -> Object:
        """Create an object."""
        metadata = {key: value for key, value in body["metadata"].items() if key != "namespace"}
        typed = {**body, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}
        return self._sent("POST", path_of(resource, namespace=namespace), typed)

    def patch(
        self, resource: Resource, name: str, patch: Object, namespace: str | None, subresource: str | None
    ) -> Object:
        """Merge a patch into an object, or into its status."""
        path = path_of(resource, name, namespace, subresource)
        return self._sent("PATCH", path, patch, media="application/merge-patch+json")

    def delete(self, resource: Resource, name: str, namespace: str | None) -> Object:
        """Delete an object, and what it owns in the background."""
        path = path_of(resource, name, namespace)
        return self._sent("DELETE", path, {"propagationPolicy": "Background"})

    def clear(self, *namespaces: str) -> None:
        """Make the namespaces, and leave nothing of a walk."""
        for name in (BUILD_NAMESPACE, *namespaces):
            with suppress(Conflict):
                self.create(NAMESPACES, {"metadata": {"name": name}}, None)
        for resource in (ENGINES, JOBS, PODS, POOLS, STORES, NODES):
            for body in self.all_of(resource):
                metadata = body["metadata"]
                if resource is NODES and not metadata["name"].startswith(OURS):
                    continue
                with suppress(NotFound):
                    self.delete(resource, metadata["name"], metadata.get("namespace"))

    def _sent(self, method: str, path: str, body: Object | None = None, **options: str) -> Object:
        answer = self._ask(method, path, body, **options)
        while answer.status == 429:  # the storage of a new kind begins a little after the kind
            time.sleep(0.2)
            answer = self._ask(method, path, body, **options)
        if answer.status >= 400:
            raise error_of(answer.status, str(answer.message).encode())
        document: Object = answer.body
        return document
