"""
The truth table: can this pool build what is asked, and does an engine load on that GPU?

Pure. Everything that chooses asks it: the controller before it makes a Job, the gateway before it hands out
an engine, the command line when it explains. The rules are in ``rules``, the facts behind them in
``support``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from ignition_hub.engine import support
from ignition_hub.engine.case import FLAVOR_NAMES, Ask, Case, PoolFacts, Refusal, Rule
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.gpu import Gpu, NodeGpu, UnknownArch, gpu_of
from ignition_hub.engine.identity import AMPERE_PLUS, PRODUCT, TENSORRT
from ignition_hub.engine.rules import RULES, VERSION_RULES
from ignition_hub.engine.support import parse_version

__all__ = ["Ask", "Choice", "Loading", "PoolFacts", "Unbuildable", "Verdict", "choose", "loads", "verdict"]

Tier = Literal["Native", "Bulk"]
LoadingLevel = Literal["Exact", "SameCapability", "AmperePlus", "No"]

LISTED = 8
"""How many pools or versions a message names before it says how many more there are."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a pool can build it and with which version; or the reason, why not, and what would work."""

    ok: bool
    reason: str
    message: str
    remedy: str
    version: str | None
    tier: Tier | None
    passed: int = 0
    """How many rules were passed: of several refusals, the one that came last is the nearest to working."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The pool that builds, and the full TensorRT version it builds with."""

    pool: str
    flavor: str
    version: str
    tier: Tier


@dataclass(frozen=True, slots=True)
class Unbuildable:
    """No pool can truthfully build it; ``message`` says why and what would work."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Loading:
    """How well an engine loads on a GPU, best first: Exact, SameCapability, AmperePlus, No."""

    level: LoadingLevel
    message: str


def verdict(pool: PoolFacts, ask: Ask) -> Verdict:
    """Tell whether ``pool`` can truthfully build ``ask``; the newest version that can is the one."""
    try:
        gpu = gpu_of(ask.target.gpu_arch)
    except UnknownArch as error:
        return _no(Refusal(error.reason, error.message, error.remedy), 0)
    case = Case(pool, ask, gpu)
    passed, refusal = _asked(RULES, case)
    if refusal:
        return _no(refusal, passed)
    versions = _versions_with_prefix(pool, ask.version_prefix)
    if not versions:
        return _no(_no_such_version(case), passed)
    answers = [(version, *_asked(VERSION_RULES, replace(case, version=version))) for version in versions]
    for version, _, refusal in answers:
        if refusal is None:
            return Verdict(True, "", "", "", version, _tier(case), passed + 1 + len(VERSION_RULES))
    _, more, refusal = max(answers, key=lambda answer: answer[1])
    return _no(refusal, passed + 1 + more) if refusal else _no(_no_such_version(case), passed)


def choose(pools: Sequence[PoolFacts], ask: Ask) -> Choice | Unbuildable:
    """
    Return the best pool for ``ask``, or why there is none.

    Best is: built on the product itself, then TensorRT before TensorRT-RTX (which needs its own runtime in
    the serving pod), then x86 before aarch64, then the newest version, then the pool's name, so that the same
    pools always give the same answer.
    """
    if not pools:
        return Unbuildable(
            str(Reason.NoPools), "the cluster has no BuildPool: add one for the GPU of the target"
        )
    answers = [(pool, verdict(pool, ask)) for pool in sorted(pools, key=lambda pool: pool.name)]
    able = [(pool, answer) for pool, answer in answers if answer.ok]
    if not able:
        return _unbuildable(answers, ask)
    pool, answer = min(able, key=lambda item: _preference(*item))
    return Choice(pool.name, pool.flavor, answer.version or "", answer.tier or "Bulk")


def loads(
    engine_inputs_arch: str,
    product: str | None,
    compatibility: str,
    flavor: str,
    gpu: NodeGpu,
    *,
    platform: str | None = None,
) -> Loading:
    """
    Tell how an engine built for an arch, product and compatibility loads on a node's GPU.

    ``platform`` is that of the engine; it is compared when the node's is known. A level that cannot be
    vouched for is "No": TensorRT itself would load some of those with a warning, or hang.
    """
    if platform and gpu.platform and platform != gpu.platform:
        return Loading("No", f"the engine is for {platform}, and the node is {gpu.platform}")
    if compatibility == AMPERE_PLUS and flavor == TENSORRT:
        return _loads_as_ampere_plus(engine_inputs_arch, gpu)
    if engine_inputs_arch != gpu.arch:
        return Loading("No", f"the engine is for {engine_inputs_arch}, and the node has {_described(gpu)}")
    if compatibility == PRODUCT:
        return _loads_as_product(product, gpu)
    if flavor == TENSORRT and _is_jetson(gpu.arch):
        return Loading("No", f"on Jetson only an engine built on the exact module loads, not {compatibility}")
    caveat = "; the node has a slice of a GPU, with fewer multiprocessors" if gpu.mig else ""
    return Loading("SameCapability", f"built for every {gpu.arch}{caveat}")


def _loads_as_product(product: str | None, gpu: NodeGpu) -> Loading:
    if product is not None and product == gpu.exact_product:
        return Loading("Exact", f"built on {product}")
    # TensorRT would load it with a warning about speed, errors and deadlock: not something to hand out.
    return Loading("No", f"the engine is for {product} alone, and the node has {_described(gpu)}")


def _loads_as_ampere_plus(arch: str, gpu: NodeGpu) -> Loading:
    capability = _capability(gpu.arch)
    if capability is None or capability < support.AMPERE:
        return Loading(
            "No", f"AmperePlus starts at compute capability 8.0, and the node has {_described(gpu)}"
        )
    if _is_jetson(gpu.arch) or _is_jetson(arch):
        return Loading("No", f"AmperePlus does not exist on Jetson, and the node has {_described(gpu)}")
    newer = capability > (_capability(arch) or support.AMPERE)
    caveat = "; a GPU newer than the builder's relies on CUDA's forward compatibility" if newer else ""
    return Loading("AmperePlus", f"built on {arch} for every GPU from 8.0 on{caveat}")


def _asked(rules: tuple[Rule, ...], case: Case) -> tuple[int, Refusal | None]:
    """Return how many rules were passed, and the refusal that ended it."""
    for passed, rule in enumerate(rules):
        if refusal := rule(case):
            return passed, refusal
    return len(rules), None


def _no(refusal: Refusal, passed: int) -> Verdict:
    return Verdict(False, str(refusal.reason), refusal.message, refusal.remedy, None, None, passed)


def _tier(case: Case) -> Tier:
    on_the_product = case.pool.product is not None and case.pool.product == case.target.product
    return "Native" if on_the_product and not case.pool.ahead_of_time else "Bulk"


def _versions_with_prefix(pool: PoolFacts, prefix: str | None) -> list[str]:
    """Return the pool's versions, newest first; 10.1 is a prefix of 10.1.0.27 and not of 10.13.2.6."""
    wanted = parse_version(prefix or "")
    versions = [version for version in pool.versions if parse_version(version)[: len(wanted)] == wanted]
    return sorted(versions, key=parse_version, reverse=True)


def _no_such_version(case: Case) -> Refusal:
    versions = _listed(sorted(case.pool.versions, key=parse_version, reverse=True)) or "none"
    return Refusal(
        Reason.NoPoolForVersion,
        f"{case.tensorrt} {case.ask.version_prefix or ''} was asked for; {case.pool.name} has {versions}",
        "ask for one of these, leave tensorrt.version out, or add a runtime to the pool",
    )


def _preference(pool: PoolFacts, answer: Verdict) -> tuple[bool, bool, bool, tuple[int, ...], str]:
    newest_first = tuple(-part for part in parse_version(answer.version or ""))
    is_arm = pool.platform == "linux-aarch64"
    return answer.tier != "Native", pool.flavor != TENSORRT, is_arm, newest_first, pool.name


def _unbuildable(answers: Sequence[tuple[PoolFacts, Verdict]], ask: Ask) -> Unbuildable:
    """Speak for all pools: the refusal nearest to working first, then what the others said."""
    by_distance = sorted((answer for _, answer in answers), key=lambda answer: -answer.passed)
    nearest = by_distance[0]
    headline = _headline(nearest, [pool for pool, _ in answers], ask)
    said = [headline] if headline else []
    said += [answer.message for answer in by_distance if not (headline and answer.reason == nearest.reason)]
    remedies = [answer.remedy for answer in by_distance]
    return Unbuildable(nearest.reason, f"{_listed(said, '; ', 3)}: {_listed(remedies, '; or ', 3)}")


def _headline(nearest: Verdict, pools: Sequence[PoolFacts], ask: Ask) -> str:
    """Say it once where each pool would say the same with another name."""
    target = ask.target
    match nearest.reason:
        case Reason.NoPoolForFlavor:
            offered = _listed(f"{pool.flavor} ({pool.name})" for pool in pools)
            return f"no BuildPool offers {ask.flavor}; the pools offer {offered}"
        case Reason.NoPoolForArch:
            built = _listed((f"{', '.join(pool.archs)} ({pool.name})" for pool in pools), "; ")
            return f"no BuildPool builds for {target.gpu_arch}; there is {built}{_own_gpu_only(pools)}"
        case Reason.NoPoolForProduct:
            fitting = [pool for pool in pools if target.gpu_arch in pool.archs]
            products = _listed(f"{pool.product or 'several products'} ({pool.name})" for pool in fitting)
            return f"no BuildPool has {target.product}; those for {target.gpu_arch} have {products}"
        case Reason.NoPoolForVersion:
            fitting = [
                pool for pool in pools if target.gpu_arch in pool.archs and ask.flavor in (None, pool.flavor)
            ]
            versions = _listed(
                f"{FLAVOR_NAMES.get(pool.flavor, pool.flavor)} {version} ({pool.name})"
                for pool in fitting
                for version in pool.versions
            )
            wanted = ask.version_prefix or "at all"
            return f"no BuildPool for {target.gpu_arch} has version {wanted}; there are {versions}"
    return ""


def _own_gpu_only(pools: Sequence[PoolFacts]) -> str:
    """Answer what people try next: another GPU will not do."""
    offered = any(pool.flavor == TENSORRT for pool in pools)
    return "; TensorRT builds for the compute capability it runs on" if offered else ""


def _listed(items: Iterable[str], separator: str = ", ", limit: int = LISTED) -> str:
    distinct = list(dict.fromkeys(item for item in items if item))
    more = f"{separator}and {len(distinct) - limit} more" if len(distinct) > limit else ""
    return separator.join(distinct[:limit]) + more


def _described(gpu: NodeGpu) -> str:
    return f"{gpu.exact_product} ({gpu.arch})" if gpu.exact_product else gpu.arch


def _known(arch: str) -> Gpu | None:
    try:
        return gpu_of(arch)
    except UnknownArch:
        return None


def _is_jetson(arch: str) -> bool:
    gpu = _known(arch)
    return gpu is not None and gpu.jetson


def _capability(arch: str) -> support.Capability | None:
    """Read the compute capability out of the name, so that GPUs later than the table count too."""
    digits = arch.removeprefix("sm_")
    return divmod(int(digits), 10) if digits.isdecimal() else None
