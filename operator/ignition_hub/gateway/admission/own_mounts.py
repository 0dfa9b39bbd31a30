"""
How containers mount the engines' volume themselves, and the part of it that the fetcher fills. Pure.

The fetcher has the whole volume, or the ``subPath`` that the containers have: it writes where they look.
"""

import posixpath
from collections.abc import Collection, Iterable, Sequence

from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.names import ENGINES_VOLUME
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

    It is that of the containers which get engines. One that begins with an alias shows an engine, or a part
    of what lies beside it, of the whole volume.
    """
    parts = [part_of(mount) for container in containers for mount in own_mounts(container)]
    known = [part for part in parts if part is not None]
    return "" if {"", *aliases} & {part.split("/")[0] for part in known} else next(iter(known), "")


def require_sight(containers: Sequence[Json], aliases: Collection[str], filled: str) -> None:
    """Raise RequestError where no container would see an engine by its own mounts."""
    if containers and not any(sees_engines(one, aliases, filled) for one in containers):
        raise sees_nothing(containers[0], filled)


def sees_engines(container: Json, aliases: Collection[str], filled: str) -> bool:
    """Tell whether a container sees an engine, or a file beside one; without mounts of its own it does."""
    parts = [part_of(mount) for mount in own_mounts(container)]
    folders = [f"{posixpath.join(filled, alias)}/" for alias in aliases]
    return not parts or any(
        part == filled or f"{part}/".startswith(tuple(folders)) for part in parts if part is not None
    )


def folders_seen(container: Json, aliases: Collection[str], filled: str) -> dict[str, str]:
    """Return where a container sees the folders of engines by its own mounts: of all, of one or of none."""
    seen = {}
    for mount in reversed(own_mounts(container)):  # so that the first of two counts
        path, part = mount["mountPath"].rstrip("/"), part_of(mount)
        for alias in aliases:
            if part == filled:
                seen[alias] = f"{path}/{alias}"
            elif part == posixpath.join(filled, alias):
                seen[alias] = path
    return seen


def part_of(mount: Json) -> str | None:
    """Return the folder of the volume that a mount shows, empty for all of it; None if a node decides."""
    if mount.get("subPathExpr"):
        return None
    path = posixpath.normpath(mount.get("subPath") or ".")
    return "" if path == "." else path


def sees_nothing(container: Json, filled: str) -> RequestError:
    """Build the refusal of a pod whose containers mount other parts of the volume than that with engines."""
    return RequestError(
        Reason.InvalidRequest,
        f"no container would see an engine: {other_part(container, filled)}",
        "mount it with one and the same subPath in all containers that get engines, or without",
    )


def other_part(container: Json, filled: str) -> str:
    """Say which part of the volume a container mounts that would see no engine, and where the engines are."""
    mount = own_mounts(container)[0]
    field = "subPathExpr" if mount.get("subPathExpr") else "subPath"
    return (
        f"container {container['name']!r:.80} mounts volume {ENGINES_VOLUME} at {mount['mountPath']!r:.80} "
        f"with {field} {mount.get(field, '')!r:.80}, and the engines are put "
        + (f"into the subPath {filled!r:.80} of other containers" if filled else "into the whole volume")
    )
