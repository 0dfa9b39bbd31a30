"""
What is in use: engines and models that resources name, and pods that may need an earlier one. Pure.

It errs on the side of use. A resource whose identities are not known yet may want any engine of its model,
and a pod whose resource is gone any engine at all.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ignition_hub.engine.naming import engines_named
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.engine.sources import parse_s3_uri

_ENDED = frozenset({"Succeeded", "Failed"})
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Claim:
    """What one TensorRTEngine uses; ``identities`` by the 16 digits that the store shows."""

    namespace: str
    name: str
    model: str
    identities: frozenset[str]
    uris: frozenset[str]
    """Every address in its specification."""
    is_settled: bool
    """Its status is about its specification, of which every target has an identity."""
    deletes: bool
    """``deletionPolicy: Delete``."""


@dataclass(frozen=True, slots=True)
class RunningPod:
    """A pod that was given engines and has not ended; ``created`` in seconds of the epoch."""

    namespace: str
    resources: tuple[str, ...]
    created: float


class Demand:
    """Everything that resources and pods use at one moment."""

    def __init__(self, claims: Iterable[Claim], pods: Iterable[RunningPod]) -> None:
        self._users: dict[tuple[str, str], list[Claim]] = defaultdict(list)
        self._unsettled: set[str] = set()
        self._uris: set[str] = set()
        models = dict[tuple[str, str], str]()
        for claim in claims:
            models[claim.namespace, claim.name] = claim.model
            self._uris |= claim.uris
            if not claim.is_settled:
                self._unsettled.add(claim.model)
            for identity in claim.identities:
                self._users[claim.model, identity].append(claim)
        self._oldest_pod = _oldest_pods(models, pods)

    def users(self, model: str, identity: str) -> list[Claim]:
        """Return the resources that use an identity."""
        return self._users.get((model, identity), [])

    def may_want_any(self, model: str) -> bool:
        """Tell whether a resource of a model does not know yet which engine it uses."""
        return model in self._unsettled

    def has_pod_before(self, model: str, moment: float) -> bool:
        """Tell whether a pod that runs was created before ``moment`` with an engine of a model."""
        oldest = (self._oldest_pod.get(each) for each in (model, _ANY))
        return any(created is not None and created < moment for created in oldest)

    def names(self, uri: str) -> bool:
        """Tell whether a resource names an object, or a folder that it lies in."""
        parts = uri.split("/")
        folders = ("/".join(parts[:depth]) + "/" for depth in range(4, len(parts)))
        return uri in self._uris or any(folder in self._uris for folder in folders)


_ANY = ""
"""Stands for every model: no model has an empty name."""


def claim_of(body: Mapping[str, Any]) -> Claim:
    """Return what a TensorRTEngine uses; a status of another release is read word by word."""
    metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
    targets = [target for target in status.get("targets") or () if isinstance(target, Mapping)]
    named = [str(target.get("identity") or "") for target in targets]
    newest = [str((target.get("newest") or {}).get("identity") or "") for target in targets]
    asked_for = [target for target in targets if not target.get("autoBuild")]
    wanted = len(spec.get("targets") or ())
    is_current = status.get("observedGeneration", -1) == metadata.get("generation")
    return Claim(
        namespace=metadata.get("namespace") or "",
        name=metadata["name"],
        model=str((spec.get("model") or {}).get("name") or _ANY),
        identities=frozenset(identity[:16] for identity in (*named, *newest) if identity),
        uris=frozenset(text for text in _texts(spec) if _is_address(text)),
        is_settled=is_current and sum(bool(target.get("identity")) for target in asked_for) >= wanted,
        deletes=spec.get("deletionPolicy") == "Delete",
    )


def running_pod_of(body: Mapping[str, Any]) -> RunningPod | None:
    """Return what is known of a pod with the label ``ignitionhub.io/inject``; None when it has ended."""
    metadata = body["metadata"]
    if (body.get("status") or {}).get("phase") in _ENDED:
        return None
    text = (metadata.get("annotations") or {}).get(ANNOTATION_ENGINES.name, "")
    resources = tuple(resource for _, resource in engines_named(text))
    return RunningPod(metadata.get("namespace") or "", resources, epoch_of(metadata.get("creationTimestamp")))


def epoch_of(time: str | None) -> float:
    """Return a time of Kubernetes or of a manifest in seconds of the epoch; 0, the oldest, for none."""
    try:
        return datetime.strptime(time or "", _TIME).replace(tzinfo=timezone.utc).timestamp()
    except ValueError:
        return 0.0


def _oldest_pods(models: Mapping[tuple[str, str], str], pods: Iterable[RunningPod]) -> dict[str, float]:
    oldest: dict[str, float] = {}
    for pod in pods:
        for resource in pod.resources:
            model = models.get((pod.namespace, resource), _ANY)
            oldest[model] = min(pod.created, oldest.get(model, pod.created))
    return oldest


def _is_address(text: str) -> bool:
    try:
        parse_s3_uri(text)
    except ValueError:
        return False
    return True


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)
