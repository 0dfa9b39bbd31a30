"""
A row of the catalog: one target of a TensorRTEngine, with what its status says of the engine.

Nothing is read but the resource, word by word: what another release wrote otherwise is not known here. A
status that speaks of an earlier specification says nothing of this one, as for pods: its targets are Pending
until the controller has processed the change.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignition_hub.engine.quoting import shortened
from ignition_hub.engine.state import State

MESSAGE_CHARACTERS = 1024
"""As the controller writes them; a status that others wrote may have more."""
NOT_PROCESSED = "the latest change of the resource is not processed yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogRow:
    """
    An engine, there or to come; a text is empty, and a figure None, where the status does not say.

    ``message`` is why the target is in its ``state``; ``built_at`` is a time of Kubernetes (RFC 3339).
    """

    namespace: str
    resource: str
    target: str
    model: str
    version: str
    precision: str
    arch: str
    product: str
    """Empty for an engine of a whole architecture."""
    compatibility: str
    state: str
    reason: str
    message: str
    percent: float | None
    """Of the phase that the build is in."""
    flavor: str
    tensorrt: str
    pool: str
    tier: str
    source: str
    """Built, or Remote: found in the store without a build."""
    built_on: str
    """The GPU that it was built on."""
    driver: str
    build_seconds: float | None
    compared: str
    """What the accuracy check compared with the model: Engine, or the converted Model."""
    accuracy: Mapping[str, float]
    """``maxAbsolute``, ``maxRelative`` as the status has them; empty without a check."""
    benchmark: Mapping[str, float]
    """``medianMilliseconds``, ``p99Milliseconds``, ``perSecond``; empty where it was not measured."""
    built_at: str
    size_bytes: float | None
    sha256: str
    uri: str

    @property
    def gpu(self) -> str:
        """What it is for: the product where one was named, else the architecture."""
        return self.product or self.arch

    @property
    def is_ready(self) -> bool:
        """Tell whether pods get it."""
        return self.state == State.READY

    def to_json(self) -> dict[str, Any]:
        """Return the row as a document; what is not known is left out."""
        document = {
            "namespace": self.namespace,
            "resource": self.resource,
            "target": self.target,
            "model": {"name": self.model, "version": self.version, "precision": self.precision},
            "gpu": _known({"arch": self.arch, "product": self.product, "compatibility": self.compatibility}),
            "state": self.state,
            "reason": self.reason,
            "message": self.message,
            "percent": self.percent,
            "tensorrt": _known({"flavor": self.flavor, "version": self.tensorrt}),
            "build": _known(
                {
                    "pool": self.pool,
                    "tier": self.tier,
                    "source": self.source,
                    "product": self.built_on,
                    "driver": self.driver,
                    "seconds": self.build_seconds,
                    "at": self.built_at,
                }
            ),
            "accuracy": _known({"compared": self.compared, **self.accuracy}),
            "benchmark": dict(self.benchmark),
            "sizeBytes": self.size_bytes,
            "sha256": self.sha256,
            "uri": self.uri,
        }
        return _known(document)


def rows_of(resource: Mapping[str, Any]) -> tuple[CatalogRow, ...]:
    """Return the rows of a TensorRTEngine as the API server returns it, in the order of its targets."""
    return tuple(_rows_of(resource))


def _rows_of(resource: Mapping[str, Any]) -> Iterator[CatalogRow]:
    metadata, spec, status = (_part(resource, name) for name in ("metadata", "spec", "status"))
    for target in _targets(metadata, spec, status):
        yield _row(metadata, spec, target)


def _targets(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any]
) -> Sequence[Mapping[str, Any]]:
    if status.get("observedGeneration") == metadata.get("generation") and status.get("targets"):
        return _parts(status, "targets")
    waiting = {"state": str(State.PENDING), "message": NOT_PROCESSED}
    return [{**target, **waiting} for target in _parts(spec, "targets")]


def _row(metadata: Mapping[str, Any], spec: Mapping[str, Any], target: Mapping[str, Any]) -> CatalogRow:
    model, tensorrt, built = _part(spec, "model"), _part(target, "tensorrt"), _part(target, "builtOn")
    return CatalogRow(
        namespace=_text(metadata, "namespace"),
        resource=_text(metadata, "name"),
        target=_text(target, "name"),
        model=_text(model, "name"),
        version=_text(model, "version"),
        precision=_text(spec, "precision"),
        arch=_text(target, "gpuArch"),
        product=_text(target, "product"),
        compatibility=_text(target, "compatibility"),
        state=_text(target, "state"),
        reason=_text(target, "reason"),
        message=shortened(_text(target, "message"), MESSAGE_CHARACTERS),
        percent=_number(_part(target, "progress"), "percent"),
        flavor=_text(tensorrt, "flavor"),
        tensorrt=_text(tensorrt, "version"),
        pool=_text(target, "pool"),
        tier=_text(target, "tier"),
        source=_text(target, "source"),
        built_on=_text(built, "product"),
        driver=_text(built, "driver"),
        build_seconds=_number(target, "buildSeconds"),
        compared=_text(_part(target, "accuracy"), "compared"),
        accuracy=_figures(_part(target, "accuracy"), "maxAbsolute", "maxRelative"),
        benchmark=_figures(_part(target, "benchmark"), "medianMilliseconds", "p99Milliseconds", "perSecond"),
        built_at=_text(_part(target, "newest"), "builtAt"),
        size_bytes=_number(target, "sizeBytes"),
        sha256=_text(target, "sha256"),
        uri=_text(target, "uri"),
    )


def _part(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = document.get(name)
    return value if isinstance(value, Mapping) else {}


def _parts(document: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    values = document.get(name)
    return [one for one in values if isinstance(one, Mapping)] if isinstance(values, list) else []


def _text(document: Mapping[str, Any], name: str) -> str:
    return str(document.get(name) or "")


def _number(document: Mapping[str, Any], name: str) -> float | None:
    value = document.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return value


def _figures(document: Mapping[str, Any], *names: str) -> Mapping[str, float]:
    figures = {name: _number(document, name) for name in names}
    return {name: figure for name, figure in figures.items() if figure is not None}


def _known(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if value not in (None, "", {})}
