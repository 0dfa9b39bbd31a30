"""
What the status of a BuildPool says: what it can build, and how many builds run and wait. Pure.

Whether nodes match its selector is not told: the controller does not follow nodes unless a pool adds targets,
and a cluster that scales from zero has none. A build whose pod finds no node says so in its TensorRTEngine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ignition_hub.compatibility.case import Ask, PoolFacts
from ignition_hub.compatibility.tenants import entries_without_effect
from ignition_hub.compatibility.verdict import Verdict, verdict
from ignition_hub.controller.policy.parsing import pool_facts
from ignition_hub.controller.policy.status import condition
from ignition_hub.controller.policy.views import JobState
from ignition_hub.engine.enums import StrEnum
from ignition_hub.engine.identity import AMPERE_PLUS, FLAVOR_NAMES, PRODUCT, SAME_COMPUTE_CAPABILITY, Target

LEVELS = (SAME_COMPUTE_CAPABILITY, AMPERE_PLUS, PRODUCT)

COUNT_AFTER = 5.0
"""Seconds from a change of the counts to the write: builds that come and go share one."""


class PoolReason(StrEnum):
    """Why a BuildPool is Ready or not."""

    CAN_BUILD = "CanBuild"
    STARTS_NO_BUILDS = "StartsNoBuilds"
    RUNTIMES_UNSUPPORTED = "RuntimesUnsupported"


@dataclass(frozen=True, slots=True)
class Builds:
    """Builds of one pool; ``queued`` is None while it is not known what every engine needs."""

    running: int
    queued: int | None


def builds_of(states: Mapping[JobState, int], waiting: int | None) -> Builds:
    """Return the builds of a pool: its Jobs by state, and ``waiting`` ones that have no Job yet."""
    running = states.get(JobState.ACTIVE, 0) + states.get(JobState.GOING, 0)
    return Builds(running, None if waiting is None else waiting + states.get(JobState.SUSPENDED, 0))


def pool_status(pool: Mapping[str, Any], builds: Builds, now: str) -> dict[str, Any]:
    """Return the whole status of ``pool`` at ``now`` (RFC 3339)."""
    standing, generation = pool.get("status") or {}, pool["metadata"]["generation"]
    queued = standing.get("queuedBuilds") if builds.queued is None else builds.queued
    status = {
        "observedGeneration": generation,
        "conditions": [condition(standing, generation, now, verdict) for verdict in _verdicts(pool)],
        "runningBuilds": builds.running,
    }
    return status if queued is None else {**status, "queuedBuilds": queued}


def _verdicts(pool: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Judge Ready, and Stalled where only a new spec helps: tools that wait for Ready then fail at once."""
    status, reason, message = _readiness(pool)
    ready = ("Ready", status, reason, message)
    return [ready] if status == "True" else [ready, ("Stalled", "True", reason, message)]


def _readiness(pool: Mapping[str, Any]) -> tuple[str, str, str]:
    offers = pool_facts([dict(pool)])
    answers = [
        (f"{FLAVOR_NAMES[facts.flavor]} {version}", arch, _verdict(facts, version, arch))
        for facts in offers
        for version in facts.versions
        for arch in facts.archs
    ]
    refused = "; ".join(_refusal(*answer) for answer in answers if not answer[2].ok)
    able: dict[str, list[str]] = {}
    for runtime, arch, answer in answers:
        if answer.ok:
            able.setdefault(runtime, []).append(arch)
    if not able:
        return "False", PoolReason.RUNTIMES_UNSUPPORTED, refused
    if pool["spec"].get("maxConcurrentBuilds") == 0:
        # Not a failure: tools that wait for Ready would wait for a pool that is paused on purpose.
        message = "spec.maxConcurrentBuilds is 0: builds stay queued until it is at least 1"
        return "True", PoolReason.STARTS_NO_BUILDS, message
    builds = "; ".join(f"{runtime} for {', '.join(archs)}" for runtime, archs in able.items())
    said = [f"builds with {builds}", *entries_without_effect(offers[0].tenants), refused]
    return "True", PoolReason.CAN_BUILD, "; ".join(filter(None, said))


def _refusal(runtime: str, arch: str, answer: Verdict) -> str:
    return f"spec.runtimes: {runtime} for {arch}: {answer.message}: {answer.remedy}"


def _verdict(pool: PoolFacts, version: str, arch: str) -> Verdict:
    """Judge the plainest target, on the first level of compatibility that works."""
    alone = replace(pool, versions=(version,))
    targets = [Target(arch, arch, pool.product, level) for level in LEVELS]
    asks = [Ask("fp32", pool.flavor, version, {}, target) for target in targets]
    best = max((verdict(alone, ask) for ask in asks), key=lambda answer: (answer.ok, answer.passed))
    if best.ok or pool.product or not _verdict(replace(pool, product="named"), version, arch).ok:
        return best
    return best._replace(remedy="set spec.gpu.product; the pool then builds for that product")
