"""
``POST /v1/prune``: one page of taking out of the store what nothing uses; with ``dry_run`` of saying what.

Who may ask has the verb ``prune`` on the EngineStore. A page has some hundreds of objects and some seconds;
the answer says where to go on. Nothing is remembered in between: who asks again does what is left.
"""

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ParamSpec, TypeVar

from aiohttp import web

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.engine.errors import ContractError
from ignition_hub.gateway.artifacts.pruning import (
    Done,
    looked_at_again,
    mark,
    remove,
    units_behind,
    uploads_behind,
    with_manifest,
)
from ignition_hub.gateway.errors import NotPermitted
from ignition_hub.gateway.process.bodies import DOCUMENTS, SMALL_BYTES
from ignition_hub.gateway.process.limits import ConcurrencyLimit
from ignition_hub.gateway.routes.models import seconds_for
from ignition_hub.gateway.services import SERVICES, Services
from ignition_hub.kube import STORES
from ignition_hub.retention.demand import RunningPod
from ignition_hub.retention.documents import PruneAnswer, PruneRequest, Removed, Stayed, Total
from ignition_hub.retention.durations import Retention
from ignition_hub.retention.layout import KNOWN, Unit, end_of
from ignition_hub.retention.plan import Kind, Plan, Removal, World
from ignition_hub.retention.rules import is_to_be_read, plan_of, plan_of_upload
from ignition_hub.store.settings import default_store

VERB = "prune"
PAGES = 2
"""A run that removes, and a report beside it."""
PAGE_OBJECTS = 1000
PAGE_SECONDS = 15.0
"""How long a page goes on; a call that has begun then takes a few seconds more."""
FRESH_SECONDS = 2.0
"""How long what was looked at counts as seen directly before; a removal that takes longer looks again."""
UPLOADS = 0
"""The first step of a run; the trees of the store follow."""

P = ParamSpec("P")
T = TypeVar("T")

_pages = web.AppKey("prune_pages", ConcurrencyLimit)
_RUN = re.compile(r"[0-9a-f]{32}")


async def prune(request: web.Request) -> web.Response:
    """Answer what was removed and kept of one page, or with ``dry_run`` what would be."""
    services = request.app[SERVICES]
    name = await _permitted(services, request)
    asked = PruneRequest.from_json(await request.app[DOCUMENTS].read(request, "prune", most=SMALL_BYTES))
    step, after = step_of(asked.after)
    with request.app[_pages].one(name):
        if not asked.dry_run:
            await services.prune_turns.renew(run_of(asked))
        store = await services.stores.current()
        pods = await services.usage.pods(fresh=not asked.after)
        page = Page(services, store, pods, asked.dry_run)
        behind = await (page.uploads(after) if step == UPLOADS else page.tree(step, after))
        if behind is None and not asked.dry_run:
            await services.prune_turns.release(asked.run)
    return web.json_response(page.answer(name, behind).to_json())


def limit_pages(app: web.Application) -> None:
    """Give an application its places for pages: each holds a part of a listing in memory."""
    app[_pages] = ConcurrencyLimit("pages of prune", most=PAGES, each=PAGES)


def run_of(asked: PruneRequest) -> str:
    """Return the run that a page belongs to; ContractError for what is no name of one."""
    if not _RUN.fullmatch(asked.run):
        raise ContractError(
            f"run: {asked.run!r:.80} names no run", "send 32 hex digits, the same for all pages"
        )
    return asked.run


def step_of(after: str) -> tuple[int, str]:
    """Read where a page begins: a step, and the key to go on behind. ContractError for anything else."""
    step, _, key = (after or f"{UPLOADS}|").partition("|")
    if step not in {str(number) for number in range(len(KNOWN) + 1)}:
        raise ContractError(f"after: {after!r:.80} is no place in the store", "send what was answered")
    return int(step), key


async def _permitted(services: Services, request: web.Request) -> str:
    """Return the name of the EngineStore that is used; NotPermitted unless the caller may prune it."""
    user = await services.callers.user_of(request)
    name = str(default_store(await services.views.stores())["metadata"]["name"])
    if not await services.kube.may(user, VERB, STORES, name=name):
        raise NotPermitted(
            f"{user.username} may not {VERB} {STORES.plural} {name}",
            "bind the ClusterRole ignition-hub-prune to that account",
        )
    return name


@dataclass(slots=True)
class Page:
    """One page in the making."""

    services: Services
    store: OpenStore
    pods: tuple[RunningPod, ...]
    dry_run: bool
    ends: float = field(default_factory=lambda: time.monotonic() + PAGE_SECONDS)
    looked_at: int = 0
    removed: list[Removed] = field(default_factory=list)
    kept: list[Stayed] = field(default_factory=list)
    retention: Retention = field(init=False)

    def __post_init__(self) -> None:
        self.retention = Retention.of(self.store.spec)

    @property
    def world(self) -> World:
        """What plans are made from, at this moment; Unavailable while it is not known for certain."""
        return World(
            demand=self.services.usage.demand(self.pods),
            retention=self.retention,
            bucket=self.store.settings.bucket,
            now=time.time(),
            upload_seconds=seconds_for(self.services.settings.max_model_bytes),
        )

    async def uploads(self, after: str) -> str:
        """Abort what was begun and never completed; return where to go on."""
        found, behind = await self._run(uploads_behind, self.store, after, most=PAGE_OBJECTS)
        for upload in found:
            await self._carry_out(plan_of_upload(upload, self.world))
            self.looked_at += 1
        return f"{UPLOADS}|{behind}" if behind else f"{UPLOADS + 1}|"

    async def tree(self, step: int, after: str) -> str | None:
        """Look at units of one tree; return where to go on, None behind the last."""
        found = await self._run(units_behind, self.store, KNOWN[step - 1], after, most=PAGE_OBJECTS)
        size = sum(each.size for each in found.unknown)
        self._keep(Kind.UNKNOWN, "not written by the hub", len(found.unknown), size)
        self.looked_at += len(found.unknown)
        reached = after
        for unit in found.units:
            if not await self._unit(unit):
                return f"{step}|{reached}"
            reached = end_of(unit.path)
            self.looked_at += len(unit.objects)
            await asyncio.sleep(0)  # pods that wait for an answer come first
        if found.after is not None:
            return f"{step}|{found.after}"
        return f"{step + 1}|" if step < len(KNOWN) else None

    async def _unit(self, unit: Unit) -> bool:
        """Do with a unit what its plan says; False when the time was over before all of it was done."""
        while self.looked_at == 0 or time.monotonic() < self.ends:
            if await self._carry_out(await self._plan(unit)):
                return True
            if time.monotonic() >= self.ends:
                return False
        return False

    async def _plan(self, unit: Unit) -> Plan:
        """Return what becomes of a unit, which is looked at again where something of it is to go."""
        world = self.world
        if not plan_of(unit, world).removals and not is_to_be_read(unit, world):
            return plan_of(unit, world)
        unit = await self._run(looked_at_again, self.store, unit)
        world = self.world
        if is_to_be_read(unit, world):
            unit = await self._run(with_manifest, self.store, self.services.signer.keys, unit)
            world = self.world
        return plan_of(unit, world)

    async def _carry_out(self, plan: Plan) -> bool:
        """Remove and mark what a plan says; False when some of it is left, to be planned again."""
        until = time.monotonic() + FRESH_SECONDS
        for removal in plan.removals:
            if not await self._remove(removal, until):
                return False
        if not self.dry_run and (plan.marks or plan.unmarks):
            await self._run(mark, self.store, plan)
        for kept in plan.kept:
            self._keep(kept.kind, kept.reason, kept.objects, kept.size)
        return True

    async def _remove(self, removal: Removal, until: float) -> bool:
        all_of_it = Done(1 if removal.upload_id else len(removal.objects), removal.size)
        done = all_of_it if self.dry_run else await self._run(remove, self.store, removal, until)
        if done.objects:
            kind = str(removal.kind)
            self.removed.append(Removed(kind, removal.key, removal.reason, done.objects, done.size))
        if not self.dry_run:
            self.services.metrics.pruned_objects.labels(removal.kind).inc(done.objects)
            self.services.metrics.pruned_bytes.labels(removal.kind).inc(done.size)
        return done.objects == all_of_it.objects

    def _keep(self, kind: Kind, reason: str, objects: int, size: int) -> None:
        if objects:
            self.kept.append(Stayed(str(kind), reason, objects, size))

    async def _run(self, call: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.services.quick.run(call, *args, **kwargs)

    def answer(self, name: str, behind: str | None) -> PruneAnswer:
        """Return what is answered: what was kept as one line for each reason."""
        total = Total()
        answer = PruneAnswer(
            name, self.dry_run, self.looked_at, tuple(self.removed), tuple(self.kept), behind
        )
        total.add(answer)
        return replace(answer, kept=tuple(total.kept))
