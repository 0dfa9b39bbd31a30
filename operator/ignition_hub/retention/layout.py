"""
What lies in the store, as far as it is known: units that are looked at and removed together. Pure.

A unit of the tree ``engines`` is everything of one identity, of ``models`` a pushed file or bundle, of
``timing-caches`` one cache. Marks lie beside their unit, as ``<unit>.unused`` and
``<unit>.delete-when-unused``: empty objects, whose time is that of the store. A key outside of this table is
not known, and what is not known is kept.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ignition_hub.engine.naming import Tree

HEX = "[0-9a-f]"
_ENGINE = re.compile(rf"(?P<name>[^/]+)/{HEX}{{16}}")
_MODEL = re.compile(rf"(?P<name>[^/]+)/{HEX}{{64}}")
_CACHE = re.compile(r"(?P<name>[^/]+)/.+\.cache")
_UNITS: Mapping[Tree, re.Pattern[str]] = {
    Tree.ENGINES: _ENGINE,
    Tree.MODELS: _MODEL,
    Tree.TIMING_CACHES: _CACHE,
}
_MANIFEST = re.compile(r"/[^/]+\.trt\.json")
_BUILD = re.compile(
    rf"/(?P<build>{HEX}{{16}})/([^/]+\.trt|[^/]+\.trt(\.{HEX}{{16}})?\.intoto\.json|build\.log)"
)
_MODEL_FILE = re.compile(r"\.onnx|/.+")
LOG = "/build.log"

UNUSED = ".unused"
"""The mark of a unit that nothing used when a run looked at it; its time is when that began."""
DELETE = ".delete-when-unused"
"""The mark of an engine that only resources with ``deletionPolicy: Delete`` used, when a run last looked."""

KNOWN = tuple(_UNITS)
"""The trees of the store that are looked at."""


@dataclass(frozen=True, slots=True)
class Stored:
    """One object: its size in bytes, and when the store says it was written, in seconds of the epoch."""

    key: str
    etag: str
    size: int
    modified: float


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """A multipart upload that is neither completed nor aborted; ``begun`` in seconds of the epoch."""

    key: str
    upload_id: str
    begun: float


@dataclass(frozen=True, slots=True)
class NamedBuild:
    """What a manifest that is believed says: the folder of the build that counts, and when it was built."""

    folder: str
    built_at: float


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A manifest that is not believed or cannot be read, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Unit:
    """
    What is kept or removed together: the objects whose keys begin with ``path``.

    ``name`` is the model's of an engine, the namespace of a pushed model, the product of a timing cache.
    ``uploads`` are the keys below it that are being uploaded. ``manifest`` is None until it was read.
    """

    tree: Tree
    path: str
    name: str
    objects: tuple[Stored, ...]
    uploads: tuple[str, ...] = ()
    manifest: NamedBuild | Unreadable | None = None

    @property
    def size(self) -> int:
        """Bytes of all objects together."""
        return sum(each.size for each in self.objects)

    @property
    def identity(self) -> str:
        """The 16 digits of an engine's identity that the store shows."""
        return self.path.rpartition("/")[2]

    def mark(self, ending: str) -> Stored | None:
        """Return a mark, if it is there."""
        return next((each for each in self.objects if each.key == self.path + ending), None)


@dataclass(frozen=True, slots=True)
class EngineObjects:
    """The objects of one identity by what they are; ``builds`` by folder."""

    manifests: list[Stored] = field(default_factory=list)
    builds: dict[str, list[Stored]] = field(default_factory=dict)
    unknown: list[Stored] = field(default_factory=list)


def unit_of(root: str, tree: Tree, key: str) -> tuple[str, str] | None:
    """
    Return the path of the unit that a key belongs to, and its name; None for a key that is not known.

    ``root`` is what all keys of the tree begin with, with its trailing /.
    """
    if tree not in _UNITS or not key.startswith(root):
        return None
    found = _UNITS[tree].match(key, len(root))
    if found is None or not _belongs(tree, key[found.end() :]):
        return None
    return key[: found.end()], found["name"]


def end_of(path: str) -> str:
    """Return a key that is behind every key of a unit and before every other unit's."""
    return path + "0"  # the character behind /


def root_of(prefix: str, tree: str) -> str:
    """Return what every key of a tree begins with."""
    return f"{prefix}/{tree}/" if prefix else f"{tree}/"


def sorted_out(unit: Unit) -> EngineObjects:
    """Return the objects of an engine by what they are, without the marks."""
    found = EngineObjects()
    for each in unit.objects:
        rest = each.key[len(unit.path) :]
        if build := _BUILD.fullmatch(rest):
            found.builds.setdefault(build["build"], []).append(each)
        elif _MANIFEST.fullmatch(rest):
            found.manifests.append(each)
        elif rest not in (UNUSED, DELETE):
            found.unknown.append(each)
    return found


def model_files(unit: Unit) -> tuple[Stored, ...]:
    """Return the objects of a pushed model, without the marks."""
    return tuple(each for each in unit.objects if _MODEL_FILE.fullmatch(each.key[len(unit.path) :]))


def unused_since(unit: Unit, objects: Iterable[Stored]) -> float | None:
    """Return since when nothing has used a unit, as far as runs saw; None while it is not marked."""
    mark = unit.mark(UNUSED)
    # What was written after the mark began another life.
    return None if mark is None else max(mark.modified, newest(objects))


def newest(objects: Iterable[Stored]) -> float:
    """Return when the newest of some objects was written; 0 of none."""
    return max((each.modified for each in objects), default=0.0)


def _belongs(tree: Tree, rest: str) -> bool:
    if tree == Tree.TIMING_CACHES:
        return not rest
    if rest in (UNUSED, DELETE):
        return True
    return rest.startswith("/") if tree == Tree.ENGINES else bool(_MODEL_FILE.fullmatch(rest))
