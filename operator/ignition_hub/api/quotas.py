"""
How much of the store a namespace may use: the quotas of an EngineStore, and what counts against them. Pure.

Charged are the models that a namespace pushed and the engines that its TensorRTEngines have, by the sizes in
their status. An engine counts once in a namespace, however many resources name it, and in every namespace
that uses it: who shares saves GPU time and not quota, so that no namespace's use changes when another one
deletes something. Gateway (before bytes come in) and controller (before a build) both ask here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.api.quantities import bytes_of
from ignition_hub.api.summary import size_line
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.names import ANNOTATION_REBUILD
from ignition_hub.engine.sources import EVERY_NAMESPACE

REMEDY = (
    "delete TensorRTEngines there that are not needed, or have the platform team delete pushed models or "
    "raise the entry in spec.quotas of the EngineStore"
)

BUILD_REMEDY = f"{REMEDY}; then annotate it with {ANNOTATION_REBUILD}"
"""After a build whose engine was refused: making room alone does not start another."""


def quota_of(store_spec: Mapping[str, Any], namespace: str) -> int | None:
    """Return the bytes that a namespace may use, by the first entry that lists it; None is no limit."""
    for entry in store_spec.get("quotas") or ():
        if namespace in entry["namespaces"] or EVERY_NAMESPACE in entry["namespaces"]:
            return bytes_of(entry["storage"])
    return None


@dataclass(frozen=True, slots=True)
class StorageUse:
    """What a namespace uses of its quota, in bytes."""

    namespace: str
    used: int
    quota: int

    @property
    def is_full(self) -> bool:
        """Tell whether not a byte more fits."""
        return self.used >= self.quota

    def has_room_for(self, size: int) -> bool:
        """Tell whether ``size`` bytes more fit."""
        return self.used + size <= self.quota

    def __str__(self) -> str:
        used, quota = (size_line(size) or "0" for size in (self.used, self.quota))
        return f"namespace {self.namespace} uses {used} of its storage quota of {quota}"


class StorageQuotaExceeded(IgnitionError):
    """``size`` bytes more are not taken in for a namespace."""

    def __init__(self, what: str, size: int, use: StorageUse, remedy: str = REMEDY) -> None:
        message = f"{what} has {size_line(size)}, but {use}"
        super().__init__(Reason.StorageQuotaExceeded, message, remedy)


class EngineSizes:
    """
    The engines of TensorRTEngines: their bytes by namespace, and which namespaces name an identity.

    Counted up to date one resource at a time, from ``status.targets``.
    """

    def __init__(self) -> None:
        self._engines: dict[str, dict[str, tuple[int, int]]] = {}
        self._bytes: dict[str, int] = {}
        self._namespaces: dict[str, dict[str, None]] = {}

    def enter(self, namespace: str, targets: Iterable[Mapping[str, Any]]) -> None:
        """Count the targets of one resource in."""
        for identity, size in _sizes(targets).items():
            resources, known = self._engines.get(namespace, {}).get(identity, (0, 0))
            self._set(namespace, identity, resources + 1, size or known)

    def leave(self, namespace: str, targets: Iterable[Mapping[str, Any]]) -> None:
        """Count the targets of one resource out, exactly as they were counted in."""
        for identity in _sizes(targets):
            resources, known = self._engines[namespace][identity]
            self._set(namespace, identity, resources - 1, known)

    def bytes_in(self, namespace: str) -> int:
        """Return the bytes of all engines of a namespace."""
        return self._bytes.get(namespace, 0)

    def size_of(self, namespace: str, identity: str) -> int:
        """Return the bytes with which an engine counts in a namespace; 0 when it does not."""
        return self._engines.get(namespace, {}).get(identity, (0, 0))[1]

    def namespaces(self) -> list[str]:
        """Return the namespaces that have engines, or wait for some."""
        return list(self._engines)

    def namespaces_of(self, identity: str) -> list[str]:
        """Return the namespaces that have the engine of an identity, or wait for it."""
        return list(self._namespaces.get(identity, {}))

    def _set(self, namespace: str, identity: str, resources: int, size: int) -> None:
        engines = self._engines.setdefault(namespace, {})
        before = engines.pop(identity, (0, 0))[1]
        if resources:
            engines[identity] = resources, size
            self._bytes[namespace] = self._bytes.get(namespace, 0) + size - before
            self._namespaces.setdefault(identity, {})[namespace] = None
            return
        self._bytes[namespace] -= before
        del self._namespaces[identity][namespace]
        if not self._namespaces[identity]:
            del self._namespaces[identity]
        if not engines:
            del self._engines[namespace], self._bytes[namespace]


def _sizes(targets: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """Return the size of every engine that a resource has, 0 of one that it waits for, by identity."""
    return {one["identity"]: one.get("sizeBytes") or 0 for one in targets if one.get("identity")}
