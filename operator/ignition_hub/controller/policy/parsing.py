"""
Read a TensorRTEngine as the API server sent it into the views that decisions are made from. Pure.

The only place of the controller that meets pydantic.
"""

from collections.abc import Mapping
from typing import Any

from ignition_hub.api import convert
from ignition_hub.api.asking import offers_of
from ignition_hub.api.v1alpha1 import BuildPool, TensorRTEngine
from ignition_hub.compatibility.verdict import PoolFacts
from ignition_hub.controller.policy.job_status import epoch
from ignition_hub.controller.policy.views import (
    AddedTarget,
    BuildParameters,
    EarlierTarget,
    EngineSnapshot,
    Patience,
    TensorRTRequest,
)
from ignition_hub.engine.identity import COMPATIBILITIES, Target
from ignition_hub.engine.names import ANNOTATION_REBUILD

ANNOTATION_LENGTH = 253
"""As much of the rebuild annotation as the status can hold."""


def engine_snapshot(body: Mapping[str, Any]) -> EngineSnapshot:
    """Return the view of a TensorRTEngine; raise ``pydantic.ValidationError`` for what no CRD lets in."""
    engine = TensorRTEngine.as_asked(body)
    metadata, spec = engine.metadata, engine.spec
    status = body.get("status") or {}
    rebuild = metadata.annotations.get(ANNOTATION_REBUILD)
    return EngineSnapshot(
        namespace=metadata.namespace or "",
        name=metadata.name,
        uid=metadata.uid,
        generation=metadata.generation,
        created=epoch(metadata.creation_timestamp) or 0.0,
        model_name=spec.model.name,
        model_version=spec.model.version,
        source_uri=spec.model.source.uri,
        source_sha256=spec.model.source.sha256,
        precision=spec.precision,
        profiles=convert.profiles_of(engine),
        tensorrt=TensorRTRequest(spec.tensorrt.flavor, spec.tensorrt.version),
        targets=convert.targets_of(engine),
        options=convert.options_of(engine),
        verification=convert.verification_of(engine),
        calibration_digest=convert.calibration_digest_of(engine),
        plugin_digests=convert.plugin_digests_of(engine),
        build=_build_wish(engine),
        suspended=spec.suspend,
        rebuild=rebuild[:ANNOTATION_LENGTH] if rebuild is not None else None,
        observed_generation=int(status.get("observedGeneration", -1)),
        handled_rebuild=status.get("lastHandledRebuild"),
        earlier={entry["name"]: earlier_target(entry) for entry in status.get("targets") or []},
        status=status,
        added=tuple(filter(None, map(added_target, status.get("targets") or []))),
    )


def earlier_target(entry: Mapping[str, Any]) -> EarlierTarget:
    """Return what one entry of ``status.targets`` says."""
    pin = entry.get("tensorrt")
    return EarlierTarget(
        state=entry["state"],
        reason=entry.get("reason") or "",
        identity=entry.get("identity"),
        source=entry.get("source"),
        tensorrt=TensorRTRequest(pin["flavor"], pin["version"]) if pin else None,
        pool=entry.get("pool"),
        document=entry,
    )


def added_target(entry: Mapping[str, Any]) -> AddedTarget | None:
    """
    Return the target that one entry of ``status.targets`` says was added for a pod; None for every other.

    None also where words are missing or unknown: what pods need is found again.
    """
    why = entry.get("autoBuild")
    if not isinstance(why, Mapping) or not (why.get("pool") and why.get("since")):
        return None
    arch, level = entry.get("gpuArch"), entry.get("compatibility")
    if not arch or level not in COMPATIBILITIES:
        return None
    return AddedTarget(
        target=Target(entry["name"], arch, entry.get("product"), level),
        pool=why["pool"],
        since=why["since"],
        gpu=why.get("gpu") or arch,
        pod=why.get("pod") or "",
        node=why.get("node") or "",
        unneeded_since=why.get("unneededSince"),
    )


def pool_facts(bodies: list[dict[str, Any]]) -> list[PoolFacts]:
    """Return what the pools that stay can build, by name."""
    return offers_of(BuildPool.as_asked(body) for body in bodies)


def _build_wish(engine: TensorRTEngine) -> BuildParameters:
    build = engine.spec.build
    return BuildParameters(
        patience=Patience(convert.timeout_seconds_of(engine), build.retries),
        scheduling=convert.scheduling_of(engine),
        low_memory=build.low_memory,
        timing_cache=build.timing_cache,
    )
