"""
What lies in the store, read in units, and units taken away. Synchronous: each call is a few requests.

The order is what makes it safe beside builders and pushes. Who writes has an unfinished upload until the
manifest is written (``publishing``) or the push is answered; so uploads are looked at first, then the
objects, then the manifest. The manifest is deleted first, and an engine exists when its manifest does: a
run that is cut off leaves nothing that is half there.
"""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.engine.errors import NewerRelease
from ignition_hub.engine.naming import Tree
from ignition_hub.retention.demand import epoch_of
from ignition_hub.retention.layout import (
    NamedBuild,
    Stored,
    StoredUpload,
    Unit,
    Unreadable,
    end_of,
    root_of,
    sorted_out,
    unit_of,
)
from ignition_hub.retention.plan import Plan, Removal
from ignition_hub.store.errors import ManifestRefused, ObjectMissing, ObjectTooLarge
from ignition_hub.store.find import DOCUMENT_BYTES, believe
from ignition_hub.store.objects import ListedObject
from ignition_hub.store.trust import PublicKeys, claim_in

MOST_OF_ONE_UNIT = 20_000
"""Objects of one unit that are held at a time; a unit with more is left alone."""


@dataclass(frozen=True, slots=True)
class Found:
    """A part of a listing: known units, objects that are not known, and the key to go on behind, if any."""

    units: tuple[Unit, ...]
    unknown: tuple[Stored, ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Done:
    """How much of a removal was carried out; ``size`` in bytes."""

    objects: int
    size: int


def units_behind(store: OpenStore, tree: Tree, after: str, *, most: int) -> Found:
    """Return whole units of a tree, by key, until they have ``most`` objects together."""
    root = root_of(store.prefix, tree)
    listed = store.objects.every(root, after=after)
    units, unknown, count = list[Unit](), list[Stored](), 0
    for known, group in groupby(listed, key=lambda each: unit_of(root, tree, each.key)):
        objects = _stored(islice(group, MOST_OF_ONE_UNIT + 1))
        count += len(objects)
        if known is not None and len(objects) <= MOST_OF_ONE_UNIT:
            units.append(Unit(tree, *known, objects))
        else:
            unknown += objects
        if count >= most:
            return Found(tuple(units), tuple(unknown), end_of(known[0]) if known else objects[-1].key)
    return Found(tuple(units), tuple(unknown), None)


def uploads_behind(store: OpenStore, after: str, *, most: int) -> tuple[tuple[StoredUpload, ...], str | None]:
    """Return unfinished uploads of the hub's own trees, all of a key together, and where to go on behind."""
    roots = tuple(root_of(store.prefix, tree) for tree in Tree)
    listed = store.objects.every_upload(f"{store.prefix}/" if store.prefix else "", after=after)
    found = list[StoredUpload]()
    for key, uploads in groupby(listed, key=lambda each: each.key):
        if key.startswith(roots):
            found += [StoredUpload(each.key, each.upload_id, each.begun.timestamp()) for each in uploads]
        if len(found) >= most:
            return tuple(found), key
    return tuple(found), None


def looked_at_again(store: OpenStore, unit: Unit) -> Unit:
    """Return a unit as it is now: the uploads below it, and then its objects."""
    root = root_of(store.prefix, unit.tree)

    def is_of_it(key: str) -> bool:
        return unit_of(root, unit.tree, key) == (unit.path, unit.name)

    # Not `is_of_it`: a key that is not known today is one more reason to leave the unit alone.
    uploads = tuple(each.key for each in store.objects.every_upload(unit.path))
    listed = (each for each in store.objects.every(unit.path) if is_of_it(each.key))
    objects = _stored(islice(listed, MOST_OF_ONE_UNIT))
    return replace(unit, objects=objects, uploads=uploads, manifest=None)


def with_manifest(store: OpenStore, keys: PublicKeys, unit: Unit) -> Unit:
    """Return an engine with what its manifest says; one that is not believed or not understood says so."""
    (manifest,) = sorted_out(unit).manifests
    return replace(unit, manifest=_read(store, keys, unit, manifest.key))


def remove(store: OpenStore, removal: Removal, ends: float) -> Done:
    """
    Carry a removal out, in its order, until ``ends`` (monotonic); tell how much was done.

    It stops at an object that has changed since it was planned.
    """
    if removal.upload_id:
        store.objects.abort_upload(removal.key, removal.upload_id)
        return Done(1, 0)
    gone, size = 0, 0
    for each in removal.objects:
        if time.monotonic() >= ends or not store.objects.delete_version(each.key, each.etag):
            break
        gone, size = gone + 1, size + each.size
    return Done(gone, size)


def mark(store: OpenStore, plan: Plan) -> None:
    """Write the marks of a plan and take away those that no longer hold."""
    for key in plan.marks:
        store.objects.put_new(key, b"")
    for each in plan.unmarks:
        store.objects.delete_version(each.key, each.etag)


def _read(store: OpenStore, keys: PublicKeys, unit: Unit, manifest_key: str) -> NamedBuild | Unreadable:
    try:
        manifest_bytes = store.objects.get(manifest_key, DOCUMENT_BYTES)
        claimed = claim_in(manifest_bytes)
        if claimed.identity[:16] != unit.identity:
            return Unreadable("its manifest is of another identity")
        manifest = believe(store.objects, keys, manifest_key, manifest_bytes, claimed.identity)
    except NewerRelease:
        return Unreadable("a later release wrote its manifest")
    except ManifestRefused:
        return Unreadable("its manifest is not trusted")
    except (ObjectMissing, ObjectTooLarge):
        return Unreadable("its manifest changed meanwhile")
    return NamedBuild(manifest.engine.key.split("/")[-2], epoch_of(manifest.built_at))


def _stored(listed: Iterable[ListedObject] | Iterator[ListedObject]) -> tuple[Stored, ...]:
    return tuple(Stored(each.key, each.etag, each.size, each.modified.timestamp()) for each in listed)
