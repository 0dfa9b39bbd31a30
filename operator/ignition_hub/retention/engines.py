"""
Decide what becomes of one identity: of the engine as a whole, and of its builds one by one. Pure.

An engine goes when no resource has used it for as long as its class is kept. Since when is remembered by a
mark, which a run writes when it first finds the engine unused: the time of a build says nothing about its
last use. Of an engine that stays, builds that no manifest names go, and logs.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ignition_hub.retention.layout import (
    DELETE,
    LOG,
    UNUSED,
    EngineObjects,
    NamedBuild,
    Stored,
    Unit,
    Unreadable,
    newest,
    sorted_out,
    unused_since,
)
from ignition_hub.retention.plan import IN_USE, WITHIN, Draft, Kind, Plan, World

_WHY_UNUSED: Mapping[Kind, str] = {
    Kind.DELETED_ENGINES: "its resources had deletionPolicy: Delete and are deleted",
    Kind.ENGINES: "no resource uses it",
}


@dataclass(frozen=True, slots=True)
class Engine:
    """One identity and the world around it."""

    unit: Unit
    found: EngineObjects
    world: World

    @classmethod
    def of(cls, unit: Unit, world: World) -> "Engine":
        """Return a unit of the tree ``engines``, its objects sorted out."""
        return cls(unit, sorted_out(unit), world)

    @property
    def kind(self) -> Kind:
        """Under which class it is kept when nothing uses it."""
        return Kind.DELETED_ENGINES if self.unit.mark(DELETE) else Kind.ENGINES

    @property
    def objects(self) -> tuple[Stored, ...]:
        """All known objects, the manifest first: an engine exists when its manifest does."""
        builds = (each for folder in sorted(self.found.builds) for each in self.found.builds[folder])
        return (*self.found.manifests, *builds)

    @property
    def may_be_wanted(self) -> bool:
        """Whether a resource uses it, or may."""
        return self.is_used or self.world.demand.may_want_any(self.unit.name)

    @property
    def is_used(self) -> bool:
        """Whether a resource uses it."""
        return bool(self.world.demand.users(self.unit.name, self.unit.identity))

    @property
    def kept_for(self) -> float | None:
        """How many seconds it is kept when nothing uses it; None for ever."""
        retention = self.world.retention
        allowed = [retention.engines, retention.deleted_engines if self.unit.mark(DELETE) else None]
        return min((each for each in allowed if each is not None), default=None)

    @property
    def named_build(self) -> str | None:
        """The folder of the build that counts, as far as it is known."""
        if isinstance(self.unit.manifest, NamedBuild):
            return self.unit.manifest.folder
        # Of a single build there is nothing to choose.
        is_clear = self.found.manifests and len(self.found.builds) == 1
        return next(iter(self.found.builds)) if is_clear else None

    @property
    def replaced_at(self) -> float:
        """When the build that counts took the place of those before it; 0 where none counts."""
        built_at = self.unit.manifest.built_at if isinstance(self.unit.manifest, NamedBuild) else 0.0
        return max(built_at, newest(self.found.manifests))


def plan_of_engine(unit: Unit, world: World) -> Plan:
    """Return what becomes of one identity."""
    engine, draft = Engine.of(unit, world), Draft()
    draft.keep(Kind.UNKNOWN, "not written by the hub", engine.found.unknown)
    if why := why_all_of_it_stays(engine):
        draft.keep(Kind.ENGINES, why, engine.objects)
        return draft.plan
    if engine_is_out_of_use(engine):
        marks = (mark for mark in (unit.mark(DELETE), unit.mark(UNUSED)) if mark)
        draft.remove(engine.kind, unit.path, _WHY_UNUSED[engine.kind], (*engine.objects, *marks))
        return draft.plan
    _remember_use(engine, draft)
    draft.keep(Kind.ENGINES, why_it_stays(engine), engine.found.manifests)
    for folder, objects in sorted(engine.found.builds.items()):
        _plan_build(engine, folder, objects, draft)
    return draft.plan


def needs_manifest(unit: Unit, world: World) -> bool:
    """Tell whether the plan depends on what the manifest says, which takes two requests to the store."""
    engine = Engine.of(unit, world)
    if unit.manifest is not None or len(engine.found.manifests) != 1:
        return False
    return len(engine.found.builds) > 1 or bool(plan_of_engine(unit, world).removals)


def why_all_of_it_stays(engine: Engine) -> str:
    """Return why nothing of an identity may be removed, whatever its age; empty when something may."""
    if engine.unit.uploads:
        return "an upload of this identity is in progress"
    if len(engine.found.manifests) > 1:
        return "there is more than one manifest"
    return engine.unit.manifest.why if isinstance(engine.unit.manifest, Unreadable) else ""


def engine_is_out_of_use(engine: Engine) -> bool:
    """Tell whether nothing has used an engine for as long as it is kept; a pod that is older uses it."""
    since = unused_since(engine.unit, engine.objects)
    if since is None or not engine.objects or engine.may_be_wanted:
        return False
    is_over = engine.world.is_over(since, engine.kept_for)
    return is_over and not engine.world.demand.has_pod_before(engine.unit.name, since)


def why_it_stays(engine: Engine) -> str:
    """Return why an engine is kept that might have been removed."""
    if engine.is_used:
        return IN_USE
    if engine.may_be_wanted:
        return "a resource of this model has no identity yet"
    return "not in use; kept for ever" if engine.kept_for is None else "not in use; within its retention"


def _remember_use(engine: Engine, draft: Draft) -> None:
    """Plan the marks: since when an engine is unused, and whether all that use it would have it deleted."""
    unit, users = engine.unit, engine.world.demand.users(engine.unit.name, engine.unit.identity)
    unused, delete = unit.mark(UNUSED), unit.mark(DELETE)
    if not engine.objects:
        draft.unmark(unused, delete)
    elif users:
        draft.unmark(unused)
        if not all(user.deletes for user in users):
            draft.unmark(delete)
        elif delete is None:
            draft.marks.append(unit.path + DELETE)
    elif unused is None and not engine.may_be_wanted and engine.kept_for is not None:
        draft.marks.append(unit.path + UNUSED)


def _plan_build(engine: Engine, folder: str, objects: list[Stored], draft: Draft) -> None:
    named, kind = engine.named_build, Kind.SUPERSEDED_BUILDS
    if folder == named:
        _plan_named_build(engine, objects, draft)
    elif named is None and engine.found.manifests:
        draft.keep(kind, "its manifest was not read", objects)
    elif not engine.world.is_over(
        max(newest(objects), newest(engine.found.manifests)), engine.world.retention.superseded_builds
    ):
        draft.keep(kind, WITHIN, objects)
    elif named and engine.world.demand.has_pod_before(engine.unit.name, engine.replaced_at):
        draft.keep(kind, "a pod that runs is older than the build that replaced it", objects)
    else:
        reason = "replaced by a later build" if named else "never published"
        draft.remove(kind, f"{engine.unit.path}/{folder}/", reason, objects)


def _plan_named_build(engine: Engine, objects: list[Stored], draft: Draft) -> None:
    logs = [each for each in objects if each.key.endswith(LOG)]
    draft.keep(Kind.ENGINES, why_it_stays(engine), (each for each in objects if each not in logs))
    for log in logs:
        if engine.world.is_over(log.modified, engine.world.retention.logs):
            draft.remove(Kind.LOGS, log.key, "older than its retention", (log,))
        else:
            draft.keep(Kind.LOGS, WITHIN, (log,))
