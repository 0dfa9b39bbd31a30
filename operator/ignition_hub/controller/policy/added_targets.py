"""
Which targets a TensorRTEngine has beside those of its specification: for GPUs that pods really run on. Pure.

A pod that is bound to a node, whose GPU no target of the specification serves, is the whole reason; what it
says of itself is none. A BuildPool with ``spec.autoBuild`` gives such a GPU a target, within its limits, and
takes it away when no pod has needed it for a while. The targets stand in the status alone; there they are
decided on, built and published as all others.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from ignition_hub.compatibility.gpus import NodeGpu, is_jetson
from ignition_hub.compatibility.loading import EngineFacts, described, loads
from ignition_hub.compatibility.verdict import Choice, PoolFacts, Unbuildable, choose
from ignition_hub.controller.policy.job_status import epoch
from ignition_hub.controller.policy.resolution import ask_for
from ignition_hub.controller.policy.views import (
    AddedTarget,
    Additions,
    EngineSnapshot,
    Need,
    Refusal,
    TensorRTRequest,
)
from ignition_hub.engine.identity import PRODUCT, SAME_COMPUTE_CAPABILITY, TENSORRT, Target
from ignition_hub.engine.state import State

MOST_TARGETS = 64
"""As many as a status can have."""

LOOK_AGAIN = 60.0
"""Seconds until it is looked whether a limit still refuses what a pod needs."""
AFTER_A_CHANGE = 1.0
"""Seconds until a new specification, which the status has not told of yet, is compared with the pods."""

Used = Counter[tuple[str, str]]
"""Added targets of all TensorRTEngines by pool and namespace."""


def additions_to(
    engine: EngineSnapshot,
    needs: Sequence[Need] | None,
    pools: Sequence[PoolFacts],
    used: Used,
    now: float,
) -> Additions:
    """
    Return what ``engine`` has beside its specification at ``now`` (seconds since the epoch).

    ``needs`` is one pod for each GPU that pods of it have, None while that is not known; ``used`` counts what
    all resources have.
    """
    if needs is None:
        return Additions(targets=engine.added)
    if engine.spec_is_new:
        # Flavor and version of its targets, which pods are to find in an added one too, are not told yet.
        return Additions(targets=engine.added, recheck=AFTER_A_CHANGE if needs or engine.added else None)
    case = _Case(engine, pools, used, now)
    unserved = [need for need in needs if not _is_served(engine, engine.targets, need.gpu)]
    standing = tuple(_standing(case, needs, unserved))
    additions = _extended(case, standing, unserved)
    names = {one.target.name for one in standing}
    return replace(
        additions,
        removed=tuple(one for one in engine.added if one.target.name not in names),
        recheck=_next_look(case, additions),
    )


def pools_of(added: AddedTarget, pools: Iterable[PoolFacts]) -> list[PoolFacts]:
    """Return the pool that an added target is built in: another has not allowed it."""
    return [pool for pool in pools if pool.name == added.pool]


def tensorrt_of(asked: TensorRTRequest, resolved: Collection[TensorRTRequest]) -> TensorRTRequest:
    """
    Return the TensorRT of added targets: that of all others, since a container has one TensorRT.

    Where they have several, or none yet, it is what the specification says.
    """
    return next(iter(resolved)) if len(resolved) == 1 else asked


@dataclass(frozen=True, slots=True)
class _Case:
    """What is decided on; ``now`` in seconds since the epoch."""

    engine: EngineSnapshot
    pools: Sequence[PoolFacts]
    used: Used
    now: float

    @property
    def asked(self) -> TensorRTRequest:
        """The TensorRT of an added target."""
        known = (self.engine.earlier.get(target.name) for target in self.engine.targets)
        resolved = {one.tensorrt for one in known if one is not None and one.tensorrt}
        return tensorrt_of(self.engine.tensorrt, resolved)

    @property
    def time(self) -> str:
        """``now`` as the status has it."""
        return datetime.fromtimestamp(self.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _standing(case: _Case, needs: Sequence[Need], unserved: Sequence[Need]) -> Iterator[AddedTarget]:
    """Yield the added targets that stay, with since when they are not needed."""
    # A published engine is not taken from a pod for one of a target whose platform is to come.
    untold = [need for need in needs if not _is_known_to_be_served(case.engine, need.gpu)]
    for one in case.engine.added:
        some = untold if _is_ready(case, one) else unserved
        need = next((need for need in some if _is_served_by_added(case, [one], need.gpu)), None)
        if _is_in_the_specification(case, one) or not _may_stay(case, one, need):
            continue
        if need is None:
            yield replace(one, unneeded_since=one.unneeded_since or case.time)
        elif one.unneeded_since:
            yield replace(one, unneeded_since=None, pod=need.pod, node=need.node)
        else:
            yield one


def _extended(case: _Case, standing: tuple[AddedTarget, ...], unserved: Sequence[Need]) -> Additions:
    """Return ``standing`` with what pods need beside it, and what is refused."""
    used, additions = Counter(case.used), Additions(targets=standing)
    for need in unserved:
        if _is_served_by_added(case, additions.targets, need.gpu):
            continue
        taken = {one.name for one in case.engine.targets} | {one.target.name for one in additions.targets}
        answer = _answer(replace(case, used=used), need, taken)
        if isinstance(answer, str):
            additions = replace(additions, refusals=(*additions.refusals, Refusal(need, answer)))
        elif answer is not None:
            used[answer.pool, case.engine.namespace] += 1
            new = (*additions.new, (answer, need))
            additions = replace(additions, targets=(*additions.targets, answer), new=new)
    return additions


def _answer(case: _Case, need: Need, taken: Collection[str]) -> AddedTarget | str | None:
    """Return the target for a GPU, or why there is none; None where no pool adds any, or nothing is built."""
    namespace, gpu = case.engine.namespace, need.gpu
    willing = [pool for pool in case.pools if pool.auto_build and _is_of_platform(pool, gpu)]
    if not willing or case.engine.suspended:
        return None
    able = _buildable(case, need, willing, taken)
    if isinstance(able, Unbuildable):
        return f"no BuildPool with spec.autoBuild can build for it: {able.message}"
    if len(taken) >= MOST_TARGETS:
        return (
            f"it has {len(taken)} targets, and {MOST_TARGETS} are the most: remove some that are not needed"
        )
    admitting = [pool for pool in willing if _admits(pool, namespace)]
    allowed = _buildable(case, need, admitting, taken)
    if isinstance(allowed, Unbuildable):
        return (
            f"spec.autoBuild.namespaces of BuildPool {able.pool} does not list namespace {namespace}: "
            f"{_by_hand(case, gpu)}have the platform team list it"
        )
    roomy = [pool for pool in admitting if not _limit_reached(case, pool)]
    with_room = _buildable(case, need, roomy, taken)
    if isinstance(with_room, Unbuildable):
        full = next(pool for pool in admitting if pool.name == allowed.pool)
        return f"{_limit_reached(case, full)}: {_by_hand(case, gpu)}have the platform team raise it"
    return with_room


def _buildable(
    case: _Case, need: Need, pools: Sequence[PoolFacts], taken: Collection[str]
) -> AddedTarget | Unbuildable:
    """Return the target that serves most GPUs like this one, in the best pool that can build it."""
    refusals = []
    for target in _possible(need.gpu, taken):
        answer = choose(pools, ask_for(case.engine, target, case.asked))
        if isinstance(answer, Unbuildable):
            refusals.append(answer)
        elif _serves(case.engine, target, answer.flavor, need.gpu):
            gpu = described(need.gpu)
            return AddedTarget(
                target=target, pool=answer.pool, since=case.time, gpu=gpu, pod=need.pod, node=need.node
            )
    nothing_loads = Unbuildable("", f"no engine that it builds loads on {described(need.gpu)}")
    return next(iter(refusals), nothing_loads)


def _possible(gpu: NodeGpu, taken: Collection[str]) -> Iterator[Target]:
    yield Target(_free_name(gpu.arch, taken), gpu.arch, None, SAME_COMPUTE_CAPABILITY)
    if product := gpu.exact_product:
        yield Target(_free_name(product, taken), gpu.arch, product, PRODUCT)


def _free_name(gpu: str, taken: Collection[str]) -> str:
    """Return a DNS label that no target of the TensorRTEngine has: ``auto-sm-120``."""
    name = f"auto-{gpu.lower().replace('_', '-').replace('.', '-')}"[:60].rstrip("-")
    return next(one for one in (name, *(f"{name}-{n}" for n in range(2, 100))) if one not in taken)


def _may_stay(case: _Case, one: AddedTarget, need: Need | None) -> bool:
    """Tell whether its pool still allows it; what is published stays in any case while a pod needs it."""
    if need is not None and _is_ready(case, one):
        return True
    if need is None and _seconds_left(case, one) <= 0:
        return False
    allowed = [pool for pool in pools_of(one, case.pools) if _admits(pool, case.engine.namespace)]
    return isinstance(choose(allowed, ask_for(case.engine, one.target, case.asked)), Choice)


def _is_ready(case: _Case, one: AddedTarget) -> bool:
    earlier = case.engine.earlier.get(one.target.name)
    return earlier is not None and earlier.state == State.READY


def _admits(pool: PoolFacts, namespace: str) -> bool:
    return pool.auto_build is not None and pool.auto_build.admits(namespace)


def _is_in_the_specification(case: _Case, added: AddedTarget) -> bool:
    """
    Tell whether the author has added the target to the specification since, or another of its name.

    One that is built for another platform is not the same, and one whose platform is not told yet may be.
    """
    target, platform = replace(added.target, name=""), _platform_of_added(case, added)
    return any(
        one.name == added.target.name
        or (replace(one, name="") == target and _platform_of(case.engine, one) == platform)
        for one in case.engine.targets
    )


def _is_served(engine: EngineSnapshot, targets: Iterable[Target], gpu: NodeGpu) -> bool:
    """Tell whether an engine of one of ``targets`` loads on ``gpu``, whatever its state is."""
    return any(
        _serves(engine, target, _flavor_of(engine, target), gpu, _platform_of(engine, target))
        for target in targets
    )


def _is_known_to_be_served(engine: EngineSnapshot, gpu: NodeGpu) -> bool:
    """Tell whether an engine of a target of the specification whose platform is told loads on ``gpu``."""
    told = [one for one in engine.targets if gpu.platform is None or _platform_of(engine, one)]
    return _is_served(engine, told, gpu)


def _is_served_by_added(case: _Case, added: Iterable[AddedTarget], gpu: NodeGpu) -> bool:
    engine = case.engine
    return any(
        _serves(engine, one.target, _flavor_of(engine, one.target), gpu, _platform_of_added(case, one))
        for one in added
    )


def _serves(
    engine: EngineSnapshot, target: Target, flavor: str, gpu: NodeGpu, platform: str | None = None
) -> bool:
    # A platform that is not known is left to the manifest, as where the gateway chooses.
    where = platform or gpu.platform or ""
    facts = EngineFacts.of_target(target, engine.options, platform=where, flavor=flavor)
    return loads(facts, _on_jetpack(gpu, where)).is_vouched_for


def _on_jetpack(gpu: NodeGpu, where: str) -> NodeGpu:
    """Take a module for one of an engine's JetPack where its node has no label that tells the release."""
    is_untold = is_jetson(gpu.arch) and gpu.platform == "linux-aarch64" and where.startswith("jetpack-")
    return replace(gpu, platform=where) if is_untold else gpu


def _platform_of(engine: EngineSnapshot, target: Target) -> str | None:
    earlier = engine.earlier.get(target.name)
    return earlier.platform if earlier else None


def _platform_of_added(case: _Case, added: AddedTarget) -> str | None:
    """Return the platform of an added target: before the status tells, that of its pool."""
    pools = pools_of(added, case.pools)
    return _platform_of(case.engine, added.target) or next((pool.platform for pool in pools), None)


def _flavor_of(engine: EngineSnapshot, target: Target) -> str:
    earlier = engine.earlier.get(target.name)
    return (earlier and earlier.tensorrt and earlier.tensorrt.flavor) or engine.tensorrt.flavor or TENSORRT


def _limit_reached(case: _Case, pool: PoolFacts) -> str | None:
    """Return which limit of ``pool`` is reached, in words."""
    limits, namespace = pool.auto_build, case.engine.namespace
    if limits is None:
        return None
    here = case.used[pool.name, namespace]
    everywhere = sum(count for (name, _), count in case.used.items() if name == pool.name)
    field = f"BuildPool {pool.name} has spec.autoBuild."
    if here >= limits.max_targets_per_namespace:
        return (
            f"{field}maxTargetsPerNamespace {limits.max_targets_per_namespace}, which {namespace} has reached"
        )
    if everywhere >= limits.max_targets:
        return f"{field}maxTargets {limits.max_targets}, which all namespaces together have reached"
    return None


def _by_hand(case: _Case, gpu: NodeGpu) -> str:
    """Say which target of the specification would be built for a GPU; nothing where none would."""
    target = next((one for one in _possible(gpu, ()) if _would_be_built(case, one, gpu)), None)
    if target is None:
        return ""
    more = f", product: {target.product}, compatibility: {PRODUCT}" if target.product else ""
    return f"add a target {{gpuArch: {target.gpu_arch}{more}}} to spec.targets, or "


def _would_be_built(case: _Case, target: Target, gpu: NodeGpu) -> bool:
    """Tell whether a target that the specification lacks would be built where its engine loads on ``gpu``."""
    wanted = replace(target, name="")
    if any(replace(one, name="") == wanted for one in case.engine.targets):
        return False
    # Where the author adds it, the best pool of all builds it, with the TensorRT of the specification.
    answer = choose(case.pools, ask_for(case.engine, target, case.engine.tensorrt))
    if isinstance(answer, Unbuildable):
        return False
    pool = next(one for one in case.pools if one.name == answer.pool)
    return _is_of_platform(pool, gpu) and _serves(case.engine, target, answer.flavor, gpu, pool.platform)


def _is_of_platform(pool: PoolFacts, gpu: NodeGpu) -> bool:
    return gpu.platform in (None, pool.platform)


def _seconds_left(case: _Case, one: AddedTarget) -> float:
    """Return how long a target stays that no pod needs."""
    limits = next((pool.auto_build for pool in pools_of(one, case.pools) if pool.auto_build), None)
    keep = limits.keep_unneeded if limits else 0.0
    return (epoch(one.unneeded_since) or case.now) + keep - case.now


def _next_look(case: _Case, additions: Additions) -> float | None:
    looks = [max(1.0, _seconds_left(case, one)) for one in additions.targets if one.unneeded_since]
    return min([*looks, *([LOOK_AGAIN] if additions.refusals else [])], default=None)
