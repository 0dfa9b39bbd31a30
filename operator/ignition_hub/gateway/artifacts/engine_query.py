"""
Which engines come into question for a pod, and what must hold of the one it is handed. Pure.

The status says where an engine should be, the signature of its manifest whether it is one of ours.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.compatibility.engine_choice import (
    CandidateTarget,
    EngineNotReady,
    NoEngineForGPU,
    ready_for,
)
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.inventory import Belief
from ignition_hub.compatibility.loading import EngineFacts, Loading, loads
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.naming import engine_folder
from ignition_hub.engine.sources import S3Location, parse_s3_uri, refusal
from ignition_hub.store.errors import ManifestRefused, RolledBack
from ignition_hub.store.find import manifest_key_of


@dataclass(frozen=True, slots=True)
class EngineClaim:
    """One target of a TensorRTEngine that its status calls ready, whatever GPU it is wanted for."""

    candidate: CandidateTarget
    spec: Mapping[str, Any]
    namespace: str

    @property
    def identity(self) -> str:
        """The identity that the status names."""
        return self.candidate.identity or ""

    def require_source(self, store_spec: Mapping[str, Any]) -> None:
        """Raise IgnitionError (SourceForbidden) unless the namespace may read the model it names."""
        why_not = refusal(store_spec, self.namespace, self.spec["model"]["source"]["uri"])
        if why_not is not None:
            raise IgnitionError(Reason.SourceForbidden, why_not)

    def has_seen_newer(self, manifest: Manifest) -> bool:
        """Tell whether the status remembers an engine that had replaced the one of ``manifest``."""
        newest = self.candidate.newest
        return newest is not None and manifest.is_rolled_back(*newest)

    def require_own(self, manifest: Manifest) -> None:
        """Raise ManifestRefused unless a signed manifest is about this model and target, and the newest."""
        # Whoever could write a status must not be given the engine of another namespace's model.
        inputs, model = manifest.inputs, self.spec["model"]
        found = (inputs.model.name, inputs.model.version, inputs.precision, inputs.gpu_arch)
        asked = (model["name"], model["version"], self.spec["precision"], self.candidate.arch)
        if found != asked:
            raise ManifestRefused(
                f"the status refers to an engine for {' '.join(found)}; {' '.join(asked)} was requested"
            )
        pinned = model["source"].get("sha256")
        kind, _, digest = inputs.model.fingerprint.partition(":")
        if kind != ("sha256" if pinned else "object") or (pinned and digest != pinned):
            raise ManifestRefused(
                "the status refers to an engine built from another source than spec.model.source"
            )
        if self.has_seen_newer(manifest):
            raise RolledBack(manifest.built_at)


@dataclass(frozen=True, slots=True)
class EngineQuery:
    """What a manifest must be about."""

    candidate: CandidateTarget
    gpu: NodeGpu
    spec: Mapping[str, Any]
    namespace: str

    @property
    def claim(self) -> EngineClaim:
        """What the status claims."""
        return EngineClaim(self.candidate, self.spec, self.namespace)

    def require(self, manifest: Manifest) -> Loading:
        """
        Return how the engine of a signed manifest loads on the GPU.

        Raise ManifestRefused unless it is about this model and target, NoEngineForGPU unless it loads.
        """
        self.claim.require_own(manifest)
        # The status only sorted the candidates; what was signed decides.
        fit = loads(EngineFacts.of_manifest(manifest), self.gpu)
        if not fit.is_vouched_for:
            raise NoEngineForGPU(fit.message, fit.remedy)
        return fit


def require_current(engine: Mapping[str, Any]) -> None:
    """Raise EngineNotReady while the status speaks of an earlier spec."""
    observed = (engine.get("status") or {}).get("observedGeneration", -1)
    if observed < engine["metadata"].get("generation", 0):
        # The engine of the spec before may have other shapes or another model.
        name = engine["metadata"]["name"]
        raise EngineNotReady(f"the latest change of {name} is not processed yet", "the request is retried")


def chosen_for(
    engine: Mapping[str, Any], belief: Belief, node: str
) -> tuple[NodeGpu, tuple[CandidateTarget, ...]]:
    """
    Return the GPU of a pod on ``node`` and the engines that load on it, the best first; at least one.

    NoEngineForGPU says what is not known of the GPU, where that is why there is none.
    """
    if belief.gpu is None:
        raise NoEngineForGPU(f"node {node}: {belief.doubt}", belief.remedy)
    try:
        return belief.gpu, ready_for(engine, belief.gpu)
    except NoEngineForGPU as error:
        if not belief.doubt:
            raise
        message = f"{error.message}; node {node}: {belief.doubt}"
        raise NoEngineForGPU(message, f"{belief.remedy}, or {error.remedy}") from error


def manifest_key_in(store: OpenStore, wanted: EngineClaim) -> str:
    """Return where the manifest of a candidate is; raise IgnitionError where it must not be looked for."""
    wanted.require_source(store.spec)
    candidate = wanted.candidate
    where = _place_of(candidate)
    if where.bucket != store.settings.bucket:
        raise EngineNotReady(
            f"{candidate.uri} is not in the bucket {store.settings.bucket} that is in use now",
            "it will be rebuilt",
        )
    manifest_key = manifest_key_of(where.uri)
    # Before anything is read: a status must not become a way to ask for any object of the bucket.
    folder = engine_folder(store.prefix, wanted.spec["model"]["name"], wanted.identity)
    if manifest_key.rpartition("/")[0] != folder:
        raise ManifestRefused(f"{candidate.uri} is the path of another engine, not {wanted.identity}")
    return manifest_key


def _place_of(candidate: CandidateTarget) -> S3Location:
    try:
        return parse_s3_uri(candidate.uri or "")
    except ValueError as error:
        raise ManifestRefused(f"the status has an invalid engine URI: {error}") from error
