"""Objects of a cluster in a dictionary, behind the verbs of ``Kube`` that bootstrapping uses."""

import copy
from typing import Any

from ignition_hub.kube import Conflict, NotFound, Object, Resource

Key = tuple[str, str | None, str]


class FakeKube:
    """A cluster that is a dictionary; every write is counted in ``writes``."""

    def __init__(self) -> None:
        self.objects: dict[Key, Object] = {}
        self.writes: list[tuple[str, Key]] = []

    async def get(self, resource: Resource, name: str, namespace: str | None = None) -> Object | None:
        return copy.deepcopy(self.objects.get((resource.plural, namespace, name)))

    async def create(self, resource: Resource, body: Object, namespace: str | None = None) -> Object:
        key = (resource.plural, namespace, body["metadata"]["name"])
        if key in self.objects:
            raise Conflict(409, f"{key} already exists", "AlreadyExists")
        return self._put("create", key, copy.deepcopy(body))

    async def replace(
        self, resource: Resource, name: str, body: Object, namespace: str | None = None
    ) -> Object:
        key = (resource.plural, namespace, name)
        self._require_version(key, body)
        return self._put("replace", key, copy.deepcopy(body))

    async def merge_patch(
        self,
        resource: Resource,
        name: str,
        body: Object,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> Object:
        del subresource
        key = (resource.plural, namespace, name)
        self._require_version(key, body)
        return self._put("patch", key, merged(self.objects[key], body))

    def _require_version(self, key: Key, body: Object) -> None:
        if key not in self.objects:
            raise NotFound(404, f"{key} does not exist")
        asked = body.get("metadata", {}).get("resourceVersion")
        if asked not in {None, self.objects[key]["metadata"]["resourceVersion"]}:
            raise Conflict(409, f"{key} changed", "Conflict")

    def _put(self, verb: str, key: Key, body: Object) -> Object:
        self.writes.append((verb, key))
        body["metadata"]["resourceVersion"] = str(len(self.writes))
        self.objects[key] = body
        return copy.deepcopy(body)


def merged(document: dict[str, Any], patch: dict[str, Any]) -> dict[str, Any]:
    """Return ``document`` with a merge patch (RFC 7386) applied."""
    result = dict(document)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = value
    return result
