"""
How containers mount the engines' volume themselves, and the part of it that the fetcher fills. Pure.

The fetcher has the whole volume, or the ``subPath`` that the containers have: it writes where they look.
"""

import posixpath
from collections.abc import Collection, Iterable

from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.names import ENGINES_VOLUME
from ignition_hub.engine.pod_annotations import ANNOTATION_CONTAINERS
from ignition_hub.gateway.admission.json_patch import Json


def own_mounts(container: Json) -> list[Json]:
    """Return the mounts of the engines' volume that a container has."""
    return [one for one in container.get("volumeMounts") or () if one["name"] == ENGINES_VOLUME]


def engines_mount(path: str, filled: str) -> Json:
    """Return a mount of the engines at ``path``, of the part of the volume that the fetcher fills."""
    mount = {"name": ENGINES_VOLUME, "mountPath": path}
    return {**mount, "subPath": filled} if filled else mount


def filled_part(containers: Iterable[Json], aliases: Collection[str]) -> str:
    """
    Return the ``subPath`` that the fetcher fills, empty for the whole volume.

    It is that of the containers which get engines. One that is an alias shows one engine of the whole volume.
    """
    parts = [part_of(mount) for container in containers for mount in own_mounts(container)]
    known = [part for part in parts if part is not None]
    return "" if {"", *aliases} & {*known} else next(iter(known), "")


def folders_seen(container: Json, aliases: Collection[str], filled: str) -> dict[str, str]:
    """
    Return where a container sees the folder of each engine by its own mounts: of all, or of one alone.

    Raises RequestError for one that would see none.
    """
    seen = {}
    for mount in reversed(own_mounts(container)):  # so that the first of two counts
        path, part = mount["mountPath"].rstrip("/"), part_of(mount)
        for alias in aliases:
            if part == filled:
                seen[alias] = f"{path}/{alias}"
            elif part == posixpath.join(filled, alias):
                seen[alias] = path
    if not seen:
        raise sees_nothing(container, filled)
    return seen


def part_of(mount: Json) -> str | None:
    """Return the folder of the volume that a mount shows, empty for all of it; None if a node decides."""
    if mount.get("subPathExpr"):
        return None
    path = posixpath.normpath(mount.get("subPath") or ".")
    return "" if path == "." else path


def sees_nothing(container: Json, filled: str) -> RequestError:
    """Build the refusal of a container whose mounts show other parts of the volume than that with engines."""
    mount = own_mounts(container)[0]
    field = "subPathExpr" if mount.get("subPathExpr") else "subPath"
    return RequestError(
        Reason.InvalidRequest,
        f"container {container['name']!r:.80} mounts volume {ENGINES_VOLUME} at {mount['mountPath']!r:.80} "
        f"with {field} {mount.get(field, '')!r:.80}, and the engines are put "
        + (f"into the subPath {filled!r:.80} of other containers" if filled else "into the whole volume"),
        "mount it with one and the same subPath in all containers that get engines, or without; or name the "
        f"containers that load engines in the annotation {ANNOTATION_CONTAINERS}",
    )
