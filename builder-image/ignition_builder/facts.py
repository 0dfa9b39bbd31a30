"""
What the manifest says of a build, put together from what its stages found.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignition_builder.documents import Compiled, Prepared, Proof, Verified, counted
from ignition_builder.environment import environment
from ignition_builder.files import Files
from ignition_hub.engine.environment import BUILDER_IMAGE
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import EngineInputs
from ignition_hub.engine.manifest import BuildFacts
from ignition_hub.engine.request import BuildRequest

StageResult = Prepared | Proof | Compiled | Verified


@dataclass(frozen=True, slots=True)
class FileDigests:
    """What identifies a model's bytes."""

    sha256: str
    md5: str
    size: int


@dataclass(frozen=True, slots=True)
class Stages:
    """What each stage answered; ``proof`` is None without a conversion, ``verified`` without a check."""

    prepared: Prepared
    compiled: Compiled
    verified: Verified | None
    proof: Proof | None = None

    @property
    def all(self) -> tuple[StageResult, ...]:
        """Those that ran."""
        ran = (self.prepared, self.proof, self.compiled, self.verified)
        return tuple(stage for stage in ran if stage is not None)


def check_warnings(forbidden: Sequence[str], *stages: StageResult) -> None:
    """Raise RequestError (BuildFailed) when one of ``stages`` warned of a code in ``forbidden``."""
    found = _warnings(*stages)
    for code in forbidden:
        if found[code]:
            raise RequestError(
                Reason.BuildFailed,
                f"warning {code} occurred {found[code]} times, which options.failOnWarnings forbids",
                "correct the model, or take the code out of failOnWarnings",
            )


def _warnings(*stages: StageResult) -> Counter[str]:
    total: Counter[str] = Counter()
    for stage in stages:
        for warning in stage.warnings:
            total[warning["code"]] += warning["count"]
    return total


def facts_of(
    request: BuildRequest, stages: Stages, digests: FileDigests, files: Files, seconds: float
) -> BuildFacts:
    """Return the facts of a build that took ``seconds``."""
    inputs, prepared = request.inputs, stages.prepared
    compiled, verified = stages.compiled, stages.verified
    model: Mapping[str, Any] = {
        "sha256": digests.sha256,
        "md5": digests.md5,
        "size": digests.size,
        **prepared.facts,
        **({"external_data": [file.to_json() for file in files.data]} if files.data else {}),
    }
    return BuildFacts(
        flavor=inputs.flavor,
        tensorrt_version=compiled.tensorrt_version,
        cuda_version=compiled.cuda_version,
        driver=compiled.driver,
        gpu=compiled.gpu,
        model=model,
        parser_messages=compiled.parser_messages,
        profiles=compiled.profiles,
        flags=compiled.flags,
        tf32=_tf32(inputs, compiled),
        converter={**prepared.converter, **({"proof": stages.proof.record} if stages.proof else {})},
        typing=prepared.typing,
        settings=compiled.settings,
        engine_io=compiled.engine_io,
        plugins=compiled.plugins,
        timing_cache=compiled.timing_cache,
        environment=environment(),
        peak_memory_bytes=max(stage.peak_memory_bytes for stage in stages.all),
        seconds=round(seconds, 3),
        builder_image=os.environ.get(BUILDER_IMAGE) or None,
        accuracy=verified.accuracy if verified else None,
        benchmark=verified.benchmark if verified else None,
        checked=verified.checked if verified else "none",
        warnings=counted(_warnings(*stages.all)),
    )


def _tf32(inputs: EngineInputs, compiled: Compiled) -> dict[str, Any]:
    asked, in_force = inputs.precision == "tf32", compiled.tf32_in_force
    facts: dict[str, Any] = {"asked": asked, "in_force": in_force}
    if asked and not in_force:
        facts["why_not"] = f"TF32 exists from compute capability 8.0, and the engine is for {inputs.gpu_arch}"
    return facts
