"""
Decide what is taken out of the store: a unit and what is in use come in, a plan goes out. Pure.

A plan is made twice: for a report, and again from what was read directly before something is removed.
Whatever no rule takes is kept, and the plan says why.
"""

from collections.abc import Callable, Mapping

from ignition_hub.engine.naming import Tree
from ignition_hub.engine.sources import S3Location
from ignition_hub.retention.engines import needs_manifest, plan_of_engine
from ignition_hub.retention.layout import UNUSED, StoredUpload, Unit, model_files, newest, unused_since
from ignition_hub.retention.plan import IN_USE, WITHIN, Draft, Kept, Kind, Plan, Removal, World

Rule = Callable[[Unit, World], Plan]


def plan_of(unit: Unit, world: World) -> Plan:
    """Return what becomes of a unit."""
    return RULES[unit.tree](unit, world)


def is_to_be_read(unit: Unit, world: World) -> bool:
    """Tell whether a plan depends on what a manifest says that was not read yet."""
    return unit.tree is Tree.ENGINES and needs_manifest(unit, world)


def plan_of_upload(upload: StoredUpload, world: World) -> Plan:
    """Return what becomes of an unfinished upload: it is aborted when it is older than any can be."""
    kind, least = Kind.UNFINISHED_UPLOADS, max(world.retention.unfinished_uploads, world.upload_seconds)
    if world.is_over(upload.begun, least):
        removal = Removal(kind, upload.key, "begun and never completed", upload_id=upload.upload_id)
        return Plan(removals=(removal,))
    return Plan(kept=(Kept(kind, WITHIN, 1, 0),))


def plan_of_model(unit: Unit, world: World) -> Plan:
    """Return what becomes of a pushed model: like an engine it goes when it has been unused for so long."""
    files, mark, draft = model_files(unit), unit.mark(UNUSED), Draft()
    if not files:
        draft.unmark(mark)
    elif unit.uploads:
        draft.keep(Kind.MODELS, "an upload of it is in progress", files)
    elif any(world.demand.names(S3Location(world.bucket, file.key).uri) for file in files):
        draft.unmark(mark)
        draft.keep(Kind.MODELS, IN_USE, files)
    elif world.retention.models is None:
        draft.keep(Kind.MODELS, "not in use; kept for ever", files)
    elif mark is None:
        draft.marks.append(unit.path + UNUSED)
        draft.keep(Kind.MODELS, "not in use; within its retention", files)
    elif world.is_over(unused_since(unit, files) or world.now, world.retention.models):
        draft.remove(Kind.MODELS, unit.path, "no resource uses it", (*files, mark))
    else:
        draft.keep(Kind.MODELS, "not in use; within its retention", files)
    return draft.plan


def plan_of_timing_cache(unit: Unit, world: World) -> Plan:
    """Return what becomes of a timing cache: without it, a build takes longer."""
    draft = Draft()
    if world.is_over(newest(unit.objects), world.retention.timing_caches):
        draft.remove(Kind.TIMING_CACHES, unit.path, "older than its retention", unit.objects)
    else:
        draft.keep(Kind.TIMING_CACHES, WITHIN, unit.objects)
    return draft.plan


RULES: Mapping[Tree, Rule] = {
    Tree.ENGINES: plan_of_engine,
    Tree.MODELS: plan_of_model,
    Tree.TIMING_CACHES: plan_of_timing_cache,
}
