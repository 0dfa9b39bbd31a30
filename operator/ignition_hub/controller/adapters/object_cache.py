"""
What we know of the objects of one kind, between the watch that feeds it and the passes that read it.

Fed by watch events, by lists and by the answers to our own writes, in any order: an older version of an
object never replaces a newer one. So a pass sees its own last write, whatever the watch is late with.
"""

from collections.abc import Iterable, Iterator

from ignition_hub.kube import Object

Name = tuple[str, str]
"""Namespace (empty for cluster-scoped kinds) and name."""


def name_of(body: Object) -> Name:
    """Return where an object is kept."""
    return body["metadata"].get("namespace") or "", body["metadata"]["name"]


def version_of(body: Object) -> int:
    """Return an object's version: etcd's revision, which grows with every write of a cluster."""
    version = body["metadata"].get("resourceVersion") or "0"
    return int(version) if version.isdecimal() else 0


def is_going(body: Object) -> bool:
    """Tell whether an object is being deleted."""
    return bool(body["metadata"].get("deletionTimestamp"))


class Mirror:
    """The objects of one kind by namespace and name."""

    def __init__(self) -> None:
        self._objects: dict[Name, Object] = {}
        self._gone: dict[Name, int] = {}

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, namespace: str, name: str) -> Object | None:
        """Return an object, or None."""
        return self._objects.get((namespace, name))

    def put(self, body: Object) -> bool:
        """Take an object in unless this or a newer version is known; tell whether it was news."""
        name, version = name_of(body), version_of(body)
        known = self._objects.get(name)
        newest = max(version_of(known) if known else 0, self._gone.get(name, 0))
        if version and version <= newest:
            return False
        self._gone.pop(name, None)
        if known is not None:
            self._leave(known)
        self._objects[name] = kept = self._kept(body)
        self._enter(kept)
        return True

    def drop(self, body: Object) -> None:
        """Forget an object that was deleted, unless it was created anew since."""
        name, version = name_of(body), version_of(body)
        known = self._objects.get(name)
        if known is not None and version and version_of(known) > version:
            return
        self._remove(name)
        # A late event of its life must not bring it back; how many of these stay is bounded.
        self._gone[name] = version
        if len(self._gone) > 1024:
            del self._gone[next(iter(self._gone))]

    def versions(self) -> dict[Name, int]:
        """Return the version of every object: what ``replace`` needs from before its list."""
        return {name: version_of(body) for name, body in self._objects.items()}

    def replace(self, listed: Iterable[Object], before: dict[Name, int]) -> None:
        """Take a list in; what was there ``before`` it, unchanged since and not listed, is gone."""
        names = set()
        for body in listed:
            names.add(name_of(body))
            self.put(body)
        for name, version in before.items():
            known = self._objects.get(name)
            if name not in names and known is not None and version_of(known) == version:
                self._remove(name)

    def _remove(self, name: Name) -> None:
        if (known := self._objects.pop(name, None)) is not None:
            self._leave(known)

    def _kept(self, body: Object) -> Object:
        """Return as much of an object as is ever read: here all but its managed fields."""
        metadata = {key: value for key, value in body["metadata"].items() if key != "managedFields"}
        return {**body, "metadata": metadata}

    def _enter(self, body: Object) -> None:
        """Count an object in: mirrors that are asked for more than a name keep the answer here."""

    def _leave(self, body: Object) -> None:
        """Count an object out, exactly as it was counted in."""
