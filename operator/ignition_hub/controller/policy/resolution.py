"""
Which engine a target needs, and from which pool. Pure.

``choose`` of the truth table names pool, flavor and version; with the model's fingerprint that makes the
identity. What was chosen once is pinned in the status and stays until the spec changes: a newer TensorRT in
some pool must not rebuild everything at night.
"""

from collections.abc import Sequence

from ignition_hub.compatibility.verdict import Ask, Choice, PoolFacts, Unbuildable, choose
from ignition_hub.controller.policy.ports import ModelFacts
from ignition_hub.controller.policy.views import (
    EarlierTarget,
    EngineSnapshot,
    ResolvedTarget,
    TensorRTRequest,
    Trouble,
)
from ignition_hub.engine.errors import ContractError, Reason
from ignition_hub.engine.fingerprint import bundle_fingerprint, fingerprint
from ignition_hub.engine.identity import PRODUCT, EngineInputs, Model, SharedInputs, Target, identity_of
from ignition_hub.engine.naming import engine_file_name
from ignition_hub.engine.request import BuildRequest
from ignition_hub.engine.state import State

PLATFORMS = ("linux-x86_64", "linux-aarch64")

REQUEST_BYTES = 240 * 1024
"""What the request on a Job may have: Kubernetes takes 256 KiB of annotations, and progress is there too."""


def want(
    engine: EngineSnapshot,
    target: Target,
    pools: Sequence[PoolFacts],
    model: ModelFacts,
    *,
    shared: SharedInputs,
) -> ResolvedTarget | Trouble:
    """
    Return the engine ``target`` needs, or why no pool can truthfully build it.

    ``shared`` is made by ``shared_inputs``, once for all targets.
    """
    earlier = engine.earlier.get(target.name)
    pin = earlier.tensorrt if earlier is not None and not engine.spec_is_new else None
    if pin is not None:
        pinned = choose(pools, ask_for(engine, target, pin))
        if isinstance(pinned, Choice):
            return _wanted(engine, target, pools, model, pinned, shared=shared)
        if still := _still_ready(engine, target, pools, model, earlier, shared=shared):
            return still
    choice = choose(pools, ask_for(engine, target, engine.tensorrt))
    if isinstance(choice, Unbuildable):
        return Trouble(Reason(choice.reason), choice.message)
    return _wanted(engine, target, pools, model, choice, shared=shared)


def build_request(engine: EngineSnapshot, wanted: ResolvedTarget, model_size: int | None) -> BuildRequest:
    """Return what the builder is asked for."""
    return BuildRequest(
        identity=wanted.identity,
        inputs=wanted.inputs,
        model_sha256=engine.source_sha256,
        model_uri=engine.source_uri,
        source_size=model_size,
        options=engine.options,
        verification=engine.verification,
        timeout_seconds=engine.build.patience.timeout_seconds,
        low_memory=engine.build.low_memory,
        timing_cache=engine.build.timing_cache,
        name=engine_file_name(wanted.inputs),
        namespace=engine.namespace,
        engine_resource=engine.name,
    )


def ask_for(engine: EngineSnapshot, target: Target, asked: TensorRTRequest) -> Ask:
    """Return what one target asks of the pools, with the TensorRT of ``asked``."""
    return Ask(
        precision=engine.precision,
        flavor=asked.flavor,
        version_prefix=asked.version,
        options=engine.options,
        target=target,
        verification=engine.verification,
    )


def shared_inputs(engine: EngineSnapshot) -> SharedInputs:
    """Return what the identities of all targets of an engine have in common."""
    return SharedInputs.of(engine.profiles, engine.options, engine.verification)


def cannot_be_requested(shared: SharedInputs) -> Trouble | None:
    """Return why no Job can hold a request; the schema bounds it, but an engine may be older than that."""
    size = len(shared.profiles) + 2 * (len(shared.options) + len(shared.verification))
    if size <= REQUEST_BYTES:
        return None
    return Trouble(
        Reason.InvalidRequest,
        f"spec.profiles, spec.options and spec.verification take {size} bytes of a build request; at most "
        f"{REQUEST_BYTES} fit: use fewer profiles, or leave inputs of fixed shape out of them",
    )


def _wanted(
    engine: EngineSnapshot,
    target: Target,
    pools: Sequence[PoolFacts],
    model: ModelFacts,
    choice: Choice,
    *,
    shared: SharedInputs,
) -> ResolvedTarget:
    pool = next(pool for pool in pools if (pool.name, pool.flavor) == (choice.pool, choice.flavor))
    chosen = TensorRTRequest(choice.flavor, choice.version)
    made_of = resolved_inputs(engine, target, model, chosen, pool.platform)
    identity = identity_of(made_of, shared)
    return ResolvedTarget(
        identity=identity, inputs=made_of, pool=choice.pool, tier=choice.tier, tenants=pool.tenants
    )


def _still_ready(
    engine: EngineSnapshot,
    target: Target,
    pools: Sequence[PoolFacts],
    model: ModelFacts,
    earlier: EarlierTarget | None,
    *,
    shared: SharedInputs,
) -> ResolvedTarget | None:
    """Return the engine that is there although its pool is gone: it still loads where it did."""
    if earlier is None or earlier.state != State.READY or earlier.tensorrt is None:
        return None
    # A status of an earlier release does not name the platform; the identity tells which it was.
    for platform in dict.fromkeys((*(pool.platform for pool in pools), *PLATFORMS)):
        try:
            made_of = resolved_inputs(engine, target, model, earlier.tensorrt, platform)
        except ContractError:
            return None  # the status holds what no hub wrote; what is chosen now replaces it
        if identity_of(made_of, shared) == earlier.identity:
            tier = earlier.document.get("tier")
            tenants = next((pool.tenants for pool in pools if pool.name == earlier.pool), ())
            return ResolvedTarget(
                identity=earlier.identity, inputs=made_of, pool=earlier.pool, tier=tier, tenants=tenants
            )
    return None


def resolved_inputs(
    engine: EngineSnapshot, target: Target, model: ModelFacts, tensorrt: TensorRTRequest, platform: str
) -> EngineInputs:
    """Return what makes the engine of ``target`` with one full version of TensorRT on one platform."""
    return EngineInputs(
        model=Model(engine.model_name, engine.model_version, _fingerprint(engine, model)),
        precision=engine.precision,
        profiles=engine.profiles,
        flavor=tensorrt.flavor or "",
        tensorrt_version=tensorrt.version or "",
        platform=platform,
        gpu_arch=target.gpu_arch,
        product=target.product if target.compatibility == PRODUCT else None,
        compatibility=target.compatibility,
        options=engine.options,
        verification=engine.verification,
        calibration_digest=engine.calibration_digest,
        plugin_digests=engine.plugin_digests,
    )


def _fingerprint(engine: EngineSnapshot, model: ModelFacts) -> str:
    if model.files is not None:
        return bundle_fingerprint(engine.source_uri, model.files)
    return fingerprint(engine.source_uri, sha256=engine.source_sha256, etag=model.etag, size=model.size)
