"""
A TensorRTEngine as pods see it: which targets are ready, and whether more are on their way.

Pure, read from the status as the API server returns it. ``placement`` turns it into nodes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ignition_hub.engine.fallback import digest_of
from ignition_hub.engine.identity import is_for_windows
from ignition_hub.engine.state import State, is_on_its_way

GRACE = 600.0
"""
Seconds an engine has to settle once something of it is ready.

Targets of one model are built side by side or one right after the other, most within minutes; so the pods
usually get every GPU. A target in a long queue must not hold up a service that could run on the others.
"""


FOR_WINDOWS = "options.runtimePlatform builds its engine for Windows, but pods run on Linux"


@dataclass(frozen=True, slots=True)
class ReadyTarget:
    """
    A target whose engine is published: what it was built for, and how far the build reaches.

    ``since`` is in seconds since the epoch, ``size`` in bytes; each is 0 when the status does not say.
    ``image`` is the engine's image by digest, empty while no registry is known to have it; ``platform`` is
    None in a status of an earlier release, which does not name it.
    """

    arch: str
    product: str | None
    compatibility: str
    flavor: str
    since: float = 0.0
    size: int = 0
    name: str = ""
    sha256: str = ""
    image: str = ""
    platform: str | None = None


@dataclass(frozen=True, slots=True)
class EngineView:
    """
    A TensorRTEngine's targets.

    ``failure`` is its message when it has no ready target and none is on its way; ``is_settled`` tells that
    no target is on its way, whatever became of them. ``flavor`` is the TensorRT that the spec asks for, None
    where the pools decide. ``can_fall_back`` tells that its model can be verified in a pod.
    """

    name: str
    ready: tuple[ReadyTarget, ...] = ()
    failure: str | None = None
    is_settled: bool = False
    flavor: str | None = None
    can_fall_back: bool = False

    @property
    def flavors(self) -> frozenset[str]:
        """Those that its engines have, as far as that is known: empty before anything is."""
        return frozenset({self.flavor} if self.flavor else {target.flavor for target in self.ready})

    @property
    def settles_by(self) -> float:
        """When pods need not wait for more targets, in seconds since the epoch; 0 once none is coming."""
        first = min((target.since for target in self.ready), default=float("inf"))
        return 0.0 if self.is_settled else first + GRACE

    @property
    def size(self) -> int | None:
        """Bytes of the largest engine that is ready; None while one may come whose size is not known."""
        sizes = [target.size for target in self.ready]
        return max(sizes) if sizes and all(sizes) else None


def view_of(resource: Mapping[str, Any]) -> EngineView:
    """Return the view of a TensorRTEngine as the API server returns it."""
    spec, name = resource.get("spec") or {}, resource["metadata"]["name"]
    can_fall_back = digest_of((spec.get("model") or {}).get("source") or {}) is not None
    if is_for_windows(spec.get("options") or {}):
        return EngineView(name, failure=FOR_WINDOWS, is_settled=True, can_fall_back=can_fall_back)
    status = resource.get("status") or {}
    targets = status.get("targets") or ()
    ready = tuple(_ready(one) for one in targets if one.get("state") == State.READY and one.get("gpuArch"))
    # A status of an earlier spec says nothing of what is to come.
    is_current = status.get("observedGeneration") == resource["metadata"].get("generation")
    return EngineView(
        name=name,
        ready=ready,
        failure=_stalled_message(status) if is_current and not ready else None,
        is_settled=is_current
        and bool(targets)
        and not any(is_on_its_way(one.get("state"), one.get("reason")) for one in targets),
        flavor=(spec.get("tensorrt") or {}).get("flavor"),
        can_fall_back=can_fall_back,
    )


def _ready(target: Mapping[str, Any]) -> ReadyTarget:
    since = target.get("lastTransitionTime")
    return ReadyTarget(
        arch=target["gpuArch"],
        product=target.get("product"),
        compatibility=target.get("compatibility", "SameComputeCapability"),
        flavor=(target.get("tensorrt") or {}).get("flavor", "TensorRT"),
        since=seconds_of(since) if since else 0.0,
        size=target.get("sizeBytes") or 0,
        name=target.get("name") or "",
        sha256=target.get("sha256") or "",
        platform=target.get("platform"),
    )


def seconds_of(timestamp: str) -> float:
    """Return an RFC 3339 timestamp as seconds since the epoch."""
    # Python 3.10 reads an offset and knows no Z.
    return datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


def _stalled_message(status: Mapping[str, Any]) -> str | None:
    stalled = (item for item in status.get("conditions") or () if item.get("type") == "Stalled")
    found: Mapping[str, Any] = next(stalled, {})
    return found.get("message") or found.get("reason") if found.get("status") == "True" else None
