"""
What the controller will say to a TensorRTEngine: each target put to the truth table against the pools.

``plan`` is the command around it; ``api.asking`` is what the controller asks with.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ignition_hub.api.asking import ask_of, offers_of
from ignition_hub.api.convert import scheduling_of, targets_of
from ignition_hub.api.v1alpha1 import BuildPool, TensorRTEngine
from ignition_hub.cli.documents import Document, documents, read_as
from ignition_hub.cli.errors import CliError
from ignition_hub.cli.kubectl import Kubectl
from ignition_hub.compatibility.case import Ask, PoolFacts
from ignition_hub.compatibility.description import Reach, where_it_loads
from ignition_hub.compatibility.loading import EngineFacts
from ignition_hub.compatibility.tenants import Scheduling, naming_refusal, scheduling_for_all
from ignition_hub.compatibility.verdict import Choice, Unbuildable, choose
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import FLAVOR_NAMES

ENGINE, POOL = "TensorRTEngine", "BuildPool"


@dataclass(frozen=True, slots=True)
class PlannedTarget:
    """
    One target: where it will be built and where that engine loads, or why it cannot be.

    ``scheduling`` is what the pool gives its build while no other namespace waits for it.
    """

    name: str
    answer: Choice | Unbuildable
    reach: Reach | None = None
    scheduling: Scheduling | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the entry of ``ignition plan -o json``: what is there depends on the answer."""
        if isinstance(self.answer, Unbuildable):
            return {
                "name": self.name,
                "buildable": False,
                "reason": self.answer.reason,
                "message": self.answer.message,
            }
        return {
            "name": self.name,
            "buildable": True,
            "pool": self.answer.pool,
            "tensorrt": {"flavor": self.answer.flavor, "version": self.answer.version},
            "tier": self.answer.tier,
            **{field: value for field, value in self.scheduled.items() if value},
            "loads": self.reach.to_json() if self.reach else None,
        }

    @property
    def scheduled(self) -> dict[str, str | None]:
        """The queue and the priority class of the build, by the fields of ``spec.build``."""
        return self.scheduling.fields() if self.scheduling else {}


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """What becomes of one TensorRTEngine."""

    name: str
    namespace: str | None
    precision: str
    targets: tuple[PlannedTarget, ...]

    @property
    def is_buildable(self) -> bool:
        """Tell whether every target can be built."""
        return all(isinstance(target.answer, Choice) for target in self.targets)

    def to_json(self) -> dict[str, Any]:
        """Return what ``ignition plan -o json`` shows of an engine."""
        return {
            "name": self.name,
            "namespace": self.namespace,
            "precision": self.precision,
            "targets": [target.to_json() for target in self.targets],
        }


def engines_in(paths: Sequence[str]) -> list[TensorRTEngine]:
    """Return the TensorRTEngines in files; raise CliError when there is none, or one is not valid."""
    return [read_as(TensorRTEngine, one) for one in _of_kind(ENGINE, documents(paths), ", ".join(paths))]


def pools_in(path: str) -> list[BuildPool]:
    """Return the BuildPools in a file; raise CliError when there is none, or one is not valid."""
    return [read_as(BuildPool, one) for one in _of_kind(POOL, documents([path]), path)]


def pools_of_cluster(kubectl: Kubectl) -> list[BuildPool]:
    """Return the BuildPools of the cluster."""
    found = json.loads(kubectl.run("get", "buildpools.ignitionhub.io", "--output", "json"))
    return [BuildPool.as_asked(body) for body in found["items"]]


def placed(engine: TensorRTEngine, kubectl: Kubectl) -> TensorRTEngine:
    """Return an engine in the namespace that kubectl would apply it to."""
    if engine.metadata.namespace:
        return engine
    metadata = engine.metadata.model_copy(update={"namespace": kubectl.namespace()})
    return engine.model_copy(update={"metadata": metadata})


def build_plan(engine: TensorRTEngine, pools: Iterable[BuildPool]) -> BuildPlan:
    """Put every target of an engine to the truth table."""
    offers = offers_of(pools)
    asked = scheduling_of(engine)
    asks = [(target.name, ask_of(engine, target)) for target in targets_of(engine)]
    return BuildPlan(
        name=engine.metadata.name,
        namespace=engine.metadata.namespace,
        precision=engine.spec.precision,
        targets=tuple(_planned(name, ask, offers, asked) for name, ask in asks),
    )


def in_words(plan: BuildPlan) -> list[str]:
    """Return a plan as lines for people."""
    name = f"{plan.namespace}/{plan.name}" if plan.namespace else plan.name
    buildable = sum(isinstance(target.answer, Choice) for target in plan.targets)
    lines = [f"{name}  {plan.precision}  {buildable} of {len(plan.targets)} targets can be built"]
    for target in plan.targets:
        lines += _target_in_words(target)
    return lines


def _target_in_words(target: PlannedTarget) -> list[str]:
    if isinstance(target.answer, Unbuildable):
        return [f"  {target.name}: {target.answer.reason}", f"    {target.answer.message}"]
    chosen = target.answer
    tensorrt = f"{FLAVOR_NAMES[chosen.flavor]} {chosen.version}"
    lines = [f"  {target.name}: pool {chosen.pool} builds it with {tensorrt}, tier {chosen.tier}"]
    lines += [f"    {field} {value}" for field, value in target.scheduled.items() if value]
    return lines + ([f"    loads {target.reach}"] if target.reach else [])


def _planned(name: str, ask: Ask, offers: Sequence[PoolFacts], asked: Scheduling) -> PlannedTarget:
    answer = choose(offers, ask)
    if isinstance(answer, Unbuildable):
        return PlannedTarget(name, answer)
    pool = next(pool for pool in offers if (pool.name, pool.flavor) == (answer.pool, answer.flavor))
    if refusal := naming_refusal(pool.name, pool.tenants, asked):
        return PlannedTarget(name, Unbuildable(str(Reason.SchedulingForbidden), refusal))
    facts = EngineFacts.of_target(
        ask.target, ask.options, platform=pool.platform, flavor=answer.flavor, version=answer.version
    )
    return PlannedTarget(name, answer, where_it_loads(facts), scheduling_for_all(pool.tenants, [asked]))


def _of_kind(kind: str, found: Sequence[Document], where: str) -> list[Document]:
    wanted = [document for document in found if document.kind == kind]
    if not wanted:
        kinds = ", ".join(sorted({document.kind or "an object without kind" for document in found}))
        raise CliError(f"{where}: no {kind} found; it contains {kinds or 'nothing'}")
    return wanted
