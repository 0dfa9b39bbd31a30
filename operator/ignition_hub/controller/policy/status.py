"""
Write plans down as the status of a TensorRTEngine. Pure.

One status is written per pass at most, as the difference to what stands there. The conditions follow kstatus,
so that Flux, Argo CD, ``helm --wait`` and ``kubectl wait`` agree: Reconciling while something moves, Stalled
when only a person can help, Ready when every target is.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignition_hub.api.summary import summary_of
from ignition_hub.compatibility.loading import described
from ignition_hub.controller.policy.checks import accuracy_of, benchmark_of
from ignition_hub.controller.policy.views import EarlierTarget, EngineSnapshot, Plan, Refusal, TargetSnapshot
from ignition_hub.engine import quoting
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.sources import S3Location
from ignition_hub.engine.state import State, is_on_its_way

AUTO_BUILD = "AutoBuild"
"""The condition about targets that the specification does not have."""

MESSAGE = 1024
"""Longest message in characters; the log has the rest."""

YOUNG = 3.0
"""Seconds a build may take before the status speaks of it: a quick one costs two writes, not three."""
PROGRESS_EVERY = 5.0
QUEUE_EVERY = 30.0


@dataclass(frozen=True, slots=True)
class Decision:
    """One target with what was decided about it."""

    snapshot: TargetSnapshot
    plan: Plan

    @property
    def moves(self) -> bool:
        """Tell whether something will still happen by itself."""
        return is_on_its_way(self.plan.state, self.plan.reason)


def engine_status(
    engine: EngineSnapshot, decisions: Sequence[Decision], now: str, refused: Sequence[Refusal] = ()
) -> dict[str, Any]:
    """
    Return the whole status for ``decisions`` at ``now`` (RFC 3339).

    What the specification asks for is Ready or not, whatever was added for pods, or ``refused`` to them.
    """
    targets = [target_entry(one, now) for one in decisions]
    asked_for = decisions[: len(engine.targets)]
    ready = sum(one.plan.state is State.READY for one in asked_for)
    added = [condition(engine.status, engine.generation, now, one) for one in _of_added(engine, refused)]
    status: dict[str, Any] = {
        "observedGeneration": engine.generation,
        "conditions": [*_conditions(engine, asked_for, now), *added],
        "readyTargets": f"{ready}/{len(asked_for)}",
        "targets": targets,
        "summary": summary_of(targets),
    }
    handled = _handled_rebuild(engine, decisions)
    if handled is not None:
        status["lastHandledRebuild"] = handled
    return status


def target_entry(decision: Decision, now: str) -> dict[str, Any]:
    """Return one entry of ``status.targets``."""
    snapshot, plan = decision.snapshot, decision.plan
    earlier = snapshot.earlier
    why = next((one for one in snapshot.engine.added if one.target == snapshot.target), None)
    added = {"autoBuild": why.document()} if why else {}
    if plan.keeps_status and earlier is not None:
        return {**earlier.document, **added}
    entry = {
        "name": snapshot.target.name,
        "state": str(plan.state),
        "reason": str(plan.reason),
        "message": shortened(plan.message),
        "gpuArch": snapshot.target.gpu_arch,
        "product": snapshot.target.product,
        "compatibility": snapshot.target.compatibility,
        **added,
        **_choice(snapshot),
        **(_published(snapshot.bucket, plan.manifest) if plan.manifest else {}),
        "newest": _newest(snapshot, plan),
        "source": plan.source,
        "progress": _progress(plan),
        "lastTransitionTime": _since(earlier, plan) or now,
    }
    return {name: value for name, value in entry.items() if value not in (None, "", [])}


def _since(earlier: EarlierTarget | None, plan: Plan) -> str | None:
    """Return since when a target has its state, and as a ready one its engine; None for as of now."""
    if earlier is None or earlier.state != plan.state or _has_another_engine(earlier, plan):
        return None
    return earlier.document.get("lastTransitionTime")


def _has_another_engine(earlier: EarlierTarget, plan: Plan) -> bool:
    if plan.state is not State.READY or plan.manifest is None:
        return False
    engine = {"identity": plan.manifest.identity, "sha256": plan.manifest.engine.sha256}
    return any(earlier.document.get(name, now) != now for name, now in engine.items())


def write_delay(
    engine: EngineSnapshot,
    decisions: Sequence[Decision],
    status: Mapping[str, Any],
    *,
    moving_for: float,
    quiet_for: float,
) -> float:
    """
    Return in how many seconds ``status`` is worth a write; 0 is now.

    ``moving_for`` is how long this engine has had something on its way, ``quiet_for`` how long ago its
    status was last written.
    """
    moving = [one for one in decisions if one.moves]
    if not moving or any(one.plan.at_once for one in decisions) or _tells_an_end(engine, decisions, status):
        return 0.0
    queued = all(one.plan.state == State.QUEUED for one in moving)
    pause = QUEUE_EVERY if queued else PROGRESS_EVERY
    return max(0.0, YOUNG - moving_for, pause - quiet_for)


def difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON merge patch (RFC 7386) from ``old`` to ``new``; empty when they say the same."""
    patch: dict[str, Any] = {name: None for name in old if name not in new}
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, Mapping) and isinstance(before, Mapping):
            if deeper := difference(before, value):
                patch[name] = deeper
        elif value != before:
            patch[name] = value
    return patch


def patched(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a JSON merge patch (RFC 7386) makes of ``old``."""
    new = dict(old)
    for name, value in patch.items():
        if value is None:
            new.pop(name, None)
        elif isinstance(value, Mapping):
            before = old.get(name)
            new[name] = patched(before if isinstance(before, Mapping) else {}, value)
        else:
            new[name] = value
    return new


def condition(
    standing: Mapping[str, Any], generation: int, now: str, verdict: tuple[str, str, str, str]
) -> dict[str, Any]:
    """
    Return a condition for ``verdict``: type, status, reason and message.

    ``standing`` is the status as it stands: while a condition's status stays, its time stays.
    """
    kind, status, reason, message = verdict
    before = {one["type"]: one for one in standing.get("conditions") or []}.get(kind, {})
    since = before.get("lastTransitionTime") if before.get("status") == status else None
    return {
        "type": kind,
        "status": status,
        "observedGeneration": generation,
        "lastTransitionTime": since or now,
        "reason": str(reason),
        "message": shortened(message),
    }


def shortened(message: str) -> str:
    """Return a message that fits a status: whole lines of NVIDIA's can be very long."""
    return quoting.shortened(quoting.printable(message), MESSAGE)


def _tells_an_end(engine: EngineSnapshot, decisions: Sequence[Decision], status: Mapping[str, Any]) -> bool:
    written = {name: earlier.document for name, earlier in engine.earlier.items()}
    ended = {one.snapshot.target.name for one in decisions if not one.moves}
    return any(entry["name"] in ended and entry != written.get(entry["name"]) for entry in status["targets"])


def _handled_rebuild(engine: EngineSnapshot, decisions: Sequence[Decision]) -> str | None:
    return engine.handled_rebuild if any(one.plan.defers_rebuild for one in decisions) else engine.rebuild


def _choice(snapshot: TargetSnapshot) -> dict[str, Any]:
    wanted, earlier = snapshot.wanted, snapshot.earlier
    if wanted is not None:
        version = {"flavor": wanted.inputs.flavor, "version": wanted.inputs.tensorrt_version}
        return {
            "platform": wanted.inputs.platform,
            "tensorrt": version,
            "pool": wanted.pool,
            "tier": wanted.tier,
            "identity": wanted.identity,
        }
    if earlier is None or earlier.tensorrt is None or snapshot.engine.spec_is_new:
        return {}
    # Without this, an outage of the store would forget the pin, and the engine would be built anew.
    pinned = {"flavor": earlier.tensorrt.flavor, "version": earlier.tensorrt.version}
    return {"platform": earlier.document.get("platform"), "tensorrt": pinned}


def _published(bucket: str, manifest: Manifest) -> dict[str, Any]:
    build = manifest.build
    gpu = build.gpu or {}
    built_on = {"product": gpu.get("name"), "driver": build.driver, "tensorrt": build.tensorrt_version}
    return {
        "uri": S3Location(bucket, manifest.engine.key).uri,
        "sha256": manifest.engine.sha256,
        "sizeBytes": manifest.engine.size,
        "builtOn": {name: value for name, value in built_on.items() if value},
        "buildSeconds": round(build.seconds, 3),
        "accuracy": accuracy_of(build),
        "benchmark": benchmark_of(build),
        "warnings": _warnings(build.warnings),
    }


def _newest(snapshot: TargetSnapshot, plan: Plan) -> Mapping[str, Any] | None:
    """Return the newest engine; it is remembered, whatever becomes of the target, until there is another."""
    if plan.manifest is None:
        return snapshot.newest
    engine = plan.manifest.engine
    return {
        "identity": plan.manifest.identity,
        "sha256": engine.sha256,
        "builtAt": plan.manifest.built_at,
    }


def _warnings(warnings: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    counts: Counter[str] = Counter()
    for one in warnings:
        # The schema refuses other words, and one bad word must not keep a whole status from being written.
        if _WORD.fullmatch(str(one.get("code"))):
            counts[one["code"]] += max(1, int(one.get("count") or 1))
    return [{"code": code, "count": count} for code, count in sorted(counts.items())][:64]


_WORD = re.compile(r"[A-Z][A-Za-z0-9]{0,62}")


def _progress(plan: Plan) -> dict[str, Any] | None:
    if plan.progress is None:
        return None
    return {"phase": plan.progress.phase, "percent": plan.progress.percent}


def _conditions(engine: EngineSnapshot, decisions: Sequence[Decision], now: str) -> list[dict[str, Any]]:
    stalled = [one for one in decisions if one.plan.stalled]
    moving = [one for one in decisions if one.moves]
    verdicts = [
        ("Ready", *_readiness(decisions)),
        ("Reconciling", *_summed_up(moving, "Reconciled", "no build is in progress")),
        ("Stalled", *_summed_up(stalled, "NotStalled", "no target needs manual action")),
    ]
    return [condition(engine.status, engine.generation, now, verdict) for verdict in verdicts]


def _of_added(engine: EngineSnapshot, refused: Sequence[Refusal]) -> Iterator[tuple[str, str, str, str]]:
    """Yield the verdict on what pods need beside the specification; none where they need nothing."""
    if refused:
        lines = dict.fromkeys(f"{described(one.need.gpu)}: {one.message}" for one in refused)
        yield AUTO_BUILD, "False", Reason.AutoBuildRefused, "; ".join(lines)
    elif engine.added:
        lines = dict.fromkeys(f"{one.target.name}: {one.why}" for one in engine.added)
        yield AUTO_BUILD, "True", Reason.TargetsAdded, "; ".join(lines)


def _readiness(decisions: Sequence[Decision]) -> tuple[str, str, str]:
    unready = [one for one in decisions if one.plan.state is not State.READY]
    if not unready:
        return "True", str(Reason.AllTargetsReady), f"{_targets(len(decisions))} ready"
    worst = [one for one in unready if one.plan.stalled] or unready
    unknown = all(one.plan.unknown for one in unready)
    return ("Unknown" if unknown else "False"), _reason(worst), _message(worst)


def _summed_up(some: Sequence[Decision], calm: str, otherwise: str) -> tuple[str, str, str]:
    if not some:
        return "False", calm, otherwise
    return "True", _reason(some), _message(some)


def _reason(some: Sequence[Decision]) -> str:
    reasons = {one.plan.reason for one in some}
    if len(reasons) == 1:
        return str(reasons.pop())
    return str(Reason.TargetsFailed if some[0].plan.stalled else some[0].plan.reason)


def _message(some: Sequence[Decision]) -> str:
    lines = [f"{one.snapshot.target.name}: {_told(one)}" for one in some]
    return shortened("; ".join(dict.fromkeys(lines)))


def _told(decision: Decision) -> str:
    earlier = decision.snapshot.earlier
    if decision.plan.keeps_status and earlier is not None:
        return str(earlier.document.get("message", ""))
    return decision.plan.message


def _targets(count: int) -> str:
    return "the target is" if count == 1 else f"all {count} targets are"
