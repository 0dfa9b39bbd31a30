"""
TensorRTEngines, EngineStores and what tells of GPUs as requests need them, kept up to date by watches.

A request reads here and asks the API server nothing. Only what is not here is asked for, once: an engine
applied together with its pod, or a node that has just joined, may be younger than what the watch has brought.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignition_hub.api.quotas import EngineSizes
from ignition_hub.catalog.rows import CatalogRow, rows_of
from ignition_hub.compatibility.readiness import EngineView, view_of
from ignition_hub.gateway.cluster.gpus import GpuViews
from ignition_hub.kube import ENGINES, STORES, Kube, Object, Reflector, Unavailable
from ignition_hub.retention.demand import Claim, claim_of

TARGET_FIELDS = (
    "name", "state", "reason", "message", "gpuArch", "product", "compatibility", "platform", "tensorrt",
    "identity", "uri", "sha256", "sizeBytes", "newest", "lastTransitionTime",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """
    A TensorRTEngine: for admission its ``view``, for resolve its ``resource``, for prune its ``claim``, for
    the catalog its ``rows``.
    """

    view: EngineView
    resource: Mapping[str, Any]
    """Those of its fields that are used."""
    claim: Claim
    rows: tuple[CatalogRow, ...]

    @property
    def targets(self) -> Sequence[Mapping[str, Any]]:
        """What the status says about each target."""
        targets: Sequence[Mapping[str, Any]] = self.resource["status"]["targets"]
        return targets


def engine_record(body: Object) -> EngineRecord:
    """Return what is kept of a TensorRTEngine: little of a specification that may be large."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    platform = (spec.get("options") or {}).get("runtimePlatform")
    targets = [
        {field: target[field] for field in TARGET_FIELDS if field in target}
        for target in status.get("targets") or ()
    ]
    resource = {
        "metadata": {field: metadata.get(field) for field in ("name", "namespace", "generation")},
        "spec": {
            "model": spec.get("model"),
            "precision": spec.get("precision"),
            "options": {"runtimePlatform": platform} if platform else {},
        },
        "status": {"observedGeneration": status.get("observedGeneration", -1), "targets": targets},
    }
    return EngineRecord(view_of(body), resource, claim_of(body), rows_of(body))


class EngineRecords(Reflector[EngineRecord]):
    """The records of all TensorRTEngines, and ``sizes``, what they count against storage quotas."""

    def __init__(self, kube: Kube) -> None:
        super().__init__(kube, ENGINES, engine_record)
        self.sizes = EngineSizes()

    def _end(self) -> None:
        super()._end()
        self.sizes = EngineSizes()
        for namespace, records in self._views.items():
            for record in records.values():
                self.sizes.enter(namespace, record.targets)

    def _happened(self, event: str, body: Object) -> None:
        name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
        if before := self.get(name, namespace):
            self.sizes.leave(namespace, before.targets)
        super()._happened(event, body)
        if after := self.get(name, namespace):
            self.sizes.enter(namespace, after.targets)


class EngineViews:
    """The TensorRTEngines; ``fresh`` asks for what is not there yet, with a budget of its own."""

    def __init__(self, kube: Kube, fresh: Kube) -> None:
        self._fresh = fresh
        self._engines = EngineRecords(kube)

    @property
    def _followed(self) -> Sequence[Reflector[Any]]:
        return (self._engines,)

    def follow(self) -> Sequence[Coroutine[Any, Any, None]]:
        """Return what must run for as long as the gateway does."""
        return [each.run() for each in self._followed]

    async def synced(self) -> None:
        """Wait until everything was listed once."""
        await asyncio.gather(*(each.synced() for each in self._followed))

    @property
    def trouble(self) -> str | None:
        """Return why what is known may be old; None while the API server answers."""
        troubles = (each.trouble for each in self._followed)
        return next((f"Kubernetes API request failed: {why}" for why in troubles if why), None)

    def engines_in(self, namespace: str) -> dict[str, EngineView]:
        """Return the TensorRTEngines of a namespace by name; Unavailable before the first list."""
        self._require(self._engines)
        return {name: record.view for name, record in self._engines.all_in(namespace).items()}

    async def young_engines(self, namespace: str, names: Iterable[str]) -> dict[str, EngineView]:
        """Ask the API server for TensorRTEngines that are not known; what does not exist is left out."""
        found: dict[str, EngineView] = {}
        for name in names:
            if body := await self._fresh.get(ENGINES, name, namespace):
                found[name] = view_of(body)
        return found

    async def engine(self, namespace: str, name: str) -> Mapping[str, Any] | None:
        """Return the used fields of a TensorRTEngine; None when it does not exist."""
        self._require(self._engines)
        if record := self._engines.get(name, namespace):
            return record.resource
        body = await self._fresh.get(ENGINES, name, namespace)
        return engine_record(body).resource if body else None

    @staticmethod
    def _require(kind: Reflector[Any]) -> None:
        if not kind.is_synced:
            raise Unavailable(0, kind.trouble or "the objects are not listed yet")


class Views(EngineViews):
    """The EngineStores too, and ``gpus``: what tells which GPU a pod got."""

    def __init__(self, kube: Kube, fresh: Kube) -> None:
        super().__init__(kube, fresh)
        self.gpus = GpuViews(kube, fresh)
        self._stores: Reflector[Object] = Reflector(kube, STORES, lambda body: body)

    @property
    def _followed(self) -> Sequence[Reflector[Any]]:
        return self._engines, self._stores, *self.gpus.followed

    @property
    def engine_changes(self) -> int:
        """How often what is known of TensorRTEngines has changed."""
        return self._engines.changes

    def require_all_engines(self) -> None:
        """Raise Unavailable unless every TensorRTEngine is known, up to date."""
        self._require(self._engines)
        if why := self._engines.trouble or self._engines.unread:
            raise Unavailable(0, f"what is in use is not known for certain: {why}")

    def resources(self) -> list[Mapping[str, Any]]:
        """Return the used fields of every TensorRTEngine; Unavailable before the first list."""
        self._require(self._engines)
        return [record.resource for record in self._engines.all()]

    def claims(self) -> list[Claim]:
        """Return what every TensorRTEngine that is known uses."""
        return [record.claim for record in self._engines.all()]

    def catalog_namespaces(self) -> list[str]:
        """Return the namespaces that have engines, sorted; Unavailable before the first list."""
        self._require(self._engines)
        return self._engines.namespaces

    def catalog_rows(self, namespaces: Iterable[str] | None = None) -> Iterator[CatalogRow]:
        """Return the rows of some namespaces, or of all; Unavailable before the first list."""
        self._require(self._engines)
        chosen = self._engines.namespaces if namespaces is None else namespaces
        records = (record for each in chosen for record in self._engines.all_in(each).values())
        return (row for record in records for row in record.rows)

    async def stores(self) -> list[Object]:
        """Return every EngineStore; Unavailable before the first list."""
        self._require(self._stores)
        return list(self._stores.all_in().values())

    def engine_sizes(self) -> EngineSizes:
        """Return what the TensorRTEngines count against storage quotas; Unavailable before the first list."""
        self._require(self._engines)
        return self._engines.sizes
