"""
Which target's engine a GPU gets: the exact product, else its compute capability, else ``AmperePlus``. Pure.

Ranking and the words of a refusal are here; whether one engine loads on one GPU is the truth table's to say.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.loading import VOUCHED, WINDOWS, EngineFacts, Loading, described, loads
from ignition_hub.compatibility.readiness import seconds_of
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.identity import SAME_COMPUTE_CAPABILITY, TENSORRT, is_for_windows
from ignition_hub.engine.state import SETTLED, State


@dataclass(frozen=True, slots=True)
class CandidateTarget:
    """One target of a TensorRTEngine, as its status tells."""

    name: str
    state: str
    arch: str
    facts: EngineFacts
    """The engine as the truth table sees it, as far as status and spec tell."""
    identity: str | None
    uri: str | None
    message: str
    sha256: str | None = None
    """Of the engine, as the status tells."""
    newest: tuple[str, str] | None = None
    """When the newest engine of this identity was built, and its SHA-256."""
    since: str | None = None
    """When the state last changed, or the engine of a ready target (RFC 3339)."""

    @property
    def ready_at(self) -> float | None:
        """
        Since when a ready target has had its engine, in seconds since the epoch; None when not told.

        A controller of an earlier release dates no engine that replaces another while the target stays Ready.
        """
        built = self.newest[0] if self.newest else None
        return max((seconds_of(time) for time in (self.since, built) if time), default=None)

    @property
    def covers(self) -> str:
        """What the target is for, in words."""
        where = self.facts.product or self.arch
        return f"{where} on Windows" if self.facts.platform == WINDOWS else where


class NoEngineForGPU(IgnitionError):
    """No target of the TensorRTEngine covers the GPU of the pod's node."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(Reason.NoEngineForGPU, message, remedy)


class EngineNotReady(IgnitionError):
    """The engine for this GPU is not built yet."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(Reason.EngineNotReady, message, remedy)


def candidates_of(engine: Mapping[str, Any]) -> tuple[CandidateTarget, ...]:
    """Return the targets of a TensorRTEngine that its status speaks about."""
    targets = (engine.get("status") or {}).get("targets") or []
    options = (engine.get("spec") or {}).get("options") or {}
    for_windows = is_for_windows(options)
    return tuple(
        _candidate(target, WINDOWS if for_windows else target.get("platform"))
        for target in targets
        if target.get("gpuArch")
    )


def fitting(candidates: Iterable[CandidateTarget], gpu: NodeGpu) -> tuple[CandidateTarget, ...]:
    """Return the candidates whose engine loads on ``gpu``, the best first, and in each level in order."""
    ranked = [(level, candidate) for candidate in candidates if (level := _rank(candidate, gpu)) is not None]
    return tuple(candidate for _, candidate in sorted(ranked, key=lambda pair: pair[0]))


def ready_for(engine: Mapping[str, Any], gpu: NodeGpu) -> tuple[CandidateTarget, ...]:
    """
    Return the published engines that load on ``gpu``, the best first; at least one.

    Raise EngineNotReady while one may still come, and NoEngineForGPU when none will without a change.
    """
    name = engine["metadata"]["name"]
    candidates = candidates_of(engine)
    fits = fitting(candidates, gpu)
    ready = tuple(c for c in fits if c.state == State.READY and c.identity and c.uri)
    if ready:
        return ready
    coming = [c for c in fits if c.state not in SETTLED]
    if coming or not candidates:
        states = ", ".join(f"{c.name} is {c.state}" for c in coming) or "no target has a status yet"
        raise EngineNotReady(f"{name} for {described(gpu)}: {states}", "the request is retried")
    failed = [f"{c.name} is {c.state} ({c.message})" for c in fits]
    if not failed and (elsewhere := _of_another_platform(candidates, gpu)):
        raise NoEngineForGPU(
            f"{name} has no engine for {described(gpu)}: {elsewhere.message}", elsewhere.remedy
        )
    raise NoEngineForGPU(
        f"{name} has no engine for {described(gpu)}: " + ("; ".join(failed) or _what_there_is(candidates)),
        _what_would_serve(name, candidates, gpu),
    )


def _candidate(target: Mapping[str, Any], platform: str | None) -> CandidateTarget:
    facts = EngineFacts(
        flavor=(target.get("tensorrt") or {}).get("flavor") or TENSORRT,
        arch=target["gpuArch"],
        product=target.get("product"),
        compatibility=target.get("compatibility") or SAME_COMPUTE_CAPABILITY,
        platform=platform,
    )
    return CandidateTarget(
        name=target.get("name", ""),
        state=target.get("state", State.PENDING),
        arch=target["gpuArch"],
        facts=facts,
        identity=target.get("identity"),
        uri=target.get("uri"),
        message=target.get("message") or target.get("reason") or "",
        sha256=target.get("sha256"),
        newest=_newest(target),
        since=target.get("lastTransitionTime"),
    )


def _newest(target: Mapping[str, Any]) -> tuple[str, str] | None:
    newest = target.get("newest") or {}
    if not newest or newest["identity"] != target.get("identity"):
        return None
    return newest["builtAt"], newest["sha256"]


def _rank(candidate: CandidateTarget, gpu: NodeGpu) -> int | None:
    # A product is part of what a build may claim only with compatibility Product.
    found = loads(candidate.facts, gpu)
    return VOUCHED.index(found.level) if found.is_vouched_for else None


def _of_another_platform(candidates: Iterable[CandidateTarget], gpu: NodeGpu) -> Loading | None:
    """Return why no candidate loads, where it is the platform alone."""
    here = replace(gpu, platform=None)
    near = (one for one in candidates if one.facts.platform != WINDOWS and _rank(one, here) is not None)
    return next((loads(one.facts, gpu) for one in near), None)


def _what_would_serve(name: str, candidates: Iterable[CandidateTarget], gpu: NodeGpu) -> str:
    if any(c.facts.platform == WINDOWS for c in candidates):
        return f"leave options.runtimePlatform out of TensorRTEngine {name}, or load the engine on Windows"
    return f"add a target {{gpuArch: {gpu.arch}}} to TensorRTEngine {name}, or keep the pod off this node"


def _what_there_is(candidates: Iterable[CandidateTarget]) -> str:
    return "its targets are for " + ", ".join(f"{c.covers} ({c.state})" for c in candidates)
