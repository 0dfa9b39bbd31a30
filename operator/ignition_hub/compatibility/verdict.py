"""
The truth table: can this pool build what is asked, with which version, or why not?

Pure. Everything that chooses asks it: the controller before it makes a Job, the command line when it
explains. The rules are in ``build_rules`` and ``option_rules``, the facts behind them in
``support_matrix`` and ``options``; the other half, where an engine loads, is ``loading``.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

from ignition_hub.compatibility.build_rules import RULES, VERSION_RULES
from ignition_hub.compatibility.case import Ask, Case, PoolFacts, Refusal, Rule
from ignition_hub.compatibility.gpus import UnknownArch, gpu_of
from ignition_hub.compatibility.support_matrix import parse_version
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import FLAVOR_NAMES, TENSORRT

__all__ = ["Ask", "Choice", "PoolFacts", "Unbuildable", "Verdict", "choose", "verdict"]

Tier = Literal["Native", "Bulk"]

LISTED = 8
"""How many pools or versions a message names before it says how many more there are."""


class Verdict(NamedTuple):
    """Whether a pool can build it and with which version; or the reason, why not, and what would work."""

    ok: bool
    reason: str
    message: str
    remedy: str
    version: str | None
    tier: Tier | None
    passed: int = 0
    """How many rules were passed: of several refusals, the one that came last is the nearest to working."""


class Choice(NamedTuple):
    """The pool that builds, and the full TensorRT version it builds with."""

    pool: str
    flavor: str
    version: str
    tier: Tier


class Unbuildable(NamedTuple):
    """No pool can truthfully build it; ``message`` says why and what would work."""

    reason: str
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
        f"{case.tensorrt} {case.ask.version_prefix or ''} was requested; {case.pool.name} has {versions}",
        "use one of these, leave tensorrt.version out, or add a runtime to the pool",
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
