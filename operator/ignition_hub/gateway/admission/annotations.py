"""
What a pod asks for: the annotations ``ignitionhub.io/*`` read into one value, or refused by name.

The first step of admission; pure.
"""

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.engine.environment import ENGINE_OF_ALIAS, OnMiss
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.names import (
    ANNOTATION_CONTAINERS,
    ANNOTATION_ENGINES,
    ANNOTATION_MOUNT_PATH,
    ANNOTATION_ON_MISS,
    ENGINES_FOLDER,
)
from ignition_hub.engine.naming import engines_named
from ignition_hub.engine.quoting import shortened
from ignition_hub.gateway.admission.bounds import ANNOTATION_CHARACTERS

ANNOTATIONS = (ANNOTATION_ENGINES, ANNOTATION_MOUNT_PATH, ANNOTATION_CONTAINERS, ANNOTATION_ON_MISS)
"""What admission reads; of the others a pod may have any."""
MOST_ENGINES = 16
NAMES_CHARACTERS = 253
"""How much of a list of names a message shows."""
ALIAS = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
RESOURCE = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
MOUNT_PATH = re.compile(r"/[A-Za-z0-9._/-]{1,254}")
# A mount over one of these would hide what the container itself is made of.
SYSTEM_PATHS = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr", "/var/run")


@dataclass(frozen=True, slots=True)
class Entry:
    """One engine a pod wants: ``alias`` is its folder below the mount, ``resource`` the TensorRTEngine."""

    alias: str
    resource: str

    @property
    def variable(self) -> str:
        """The environment variable that tells the containers where the engine is."""
        return ENGINE_OF_ALIAS + self.alias.upper().replace("-", "_")


@dataclass(frozen=True, slots=True)
class Wishes:
    """Everything a pod's annotations say. ``containers`` is None where all containers get the engines."""

    engines: tuple[Entry, ...]
    mount_path: str = ENGINES_FOLDER
    containers: frozenset[str] | None = None
    on_miss: str = OnMiss.WAIT


class AnnotationError(RequestError):
    """An annotation cannot be followed; the message names it, its value, and what would work."""

    def __init__(self, annotation: str, problem: str, remedy: str) -> None:
        super().__init__(Reason.InvalidRequest, f"annotation {annotation}: {problem}", remedy)


def read_wishes(pod: Mapping[str, Any]) -> Wishes:
    """Read a pod's annotations; AnnotationError says which one is wrong."""
    annotations = bounded_annotations(pod.get("metadata", {}).get("annotations") or {})
    names = [container["name"] for container in pod.get("spec", {}).get("containers") or ()]
    return Wishes(
        engines=read_engines(annotations.get(ANNOTATION_ENGINES, "")),
        mount_path=read_mount_path(annotations.get(ANNOTATION_MOUNT_PATH, ENGINES_FOLDER)),
        containers=read_containers(annotations.get(ANNOTATION_CONTAINERS), names),
        on_miss=read_on_miss(annotations.get(ANNOTATION_ON_MISS, OnMiss.WAIT)),
    )


def bounded_annotations(annotations: Mapping[str, Any]) -> Mapping[str, str]:
    """Return the annotations that admission reads; AnnotationError for one that is no string or too long."""
    ours = {name: annotations[name] for name in ANNOTATIONS if name in annotations}
    for name, value in ours.items():
        if not isinstance(value, str):
            raise AnnotationError(name, "its value is not a string", "quote it")
        if len(value) > ANNOTATION_CHARACTERS:
            raise AnnotationError(
                name, f"it has {len(value)} characters", f"at most {ANNOTATION_CHARACTERS} are accepted"
            )
    return ours


def read_engines(text: str) -> tuple[Entry, ...]:
    """Read ``[alias=]resource, ...``; every alias may be used once."""
    named = engines_named(text)
    if not named:
        raise _engines_error(
            "lists no engines", 'list the names of TensorRTEngines, for example "arcface-r100, det=yolo-v8"'
        )
    if len(named) > MOST_ENGINES:
        raise _engines_error(f"lists {len(named)} engines", f"a pod can have at most {MOST_ENGINES}")
    entries = tuple(read_entry(alias, resource) for alias, resource in named)
    seen: set[str] = set()
    for entry in entries:
        if entry.alias in seen:
            raise _engines_error(
                f"alias {entry.alias!r} is used twice", "give each engine a unique alias: alias=resource"
            )
        seen.add(entry.alias)
    return entries


def read_entry(alias: str, resource: str) -> Entry:
    """Return one engine whose names can be used."""
    if not RESOURCE.fullmatch(resource):
        raise _engines_error(
            f"{resource!r:.80} is not a valid name of a TensorRTEngine",
            "names have lower-case letters, digits, '-' and '.'",
        )
    if not ALIAS.fullmatch(alias):
        raise _engines_error(
            f"{alias!r:.80} is not a valid alias",
            f"use lower-case letters, digits and '-', at most 63: {_possible_alias(alias)}={resource}",
        )
    return Entry(alias, resource)


def read_mount_path(text: str) -> str:
    """Read the folder where the containers see the engines."""
    path = posixpath.normpath(text) if text else text
    wrong = not MOUNT_PATH.fullmatch(text) or ".." in text.split("/") or path == "/"
    if wrong or any(path == system or path.startswith(f"{system}/") for system in SYSTEM_PATHS):
        raise AnnotationError(
            ANNOTATION_MOUNT_PATH,
            f"{text!r:.80} is not allowed",
            f"use an absolute path outside the system directories, such as {ENGINES_FOLDER}",
        )
    return path


def read_containers(text: str | None, names: list[str]) -> frozenset[str] | None:
    """Read which containers get the engines; None stands for all of them."""
    if text is None:
        return None
    wanted = [item.strip() for item in text.split(",") if item.strip()]
    there = frozenset(names)
    unknown = next((name for name in wanted if name not in there), None)
    if unknown is not None or not wanted:
        problem = f"the pod has no container {unknown!r:.80}" if unknown else "no container is listed"
        listed = shortened(", ".join(names), NAMES_CHARACTERS)
        raise AnnotationError(ANNOTATION_CONTAINERS, problem, f"its containers are: {listed}")
    return frozenset(wanted)


def read_on_miss(text: str) -> str:
    """Read what happens where no target serves the GPU a pod got."""
    if text in set(OnMiss):
        return text
    if text == "Fallback":
        problem = "'Fallback' (to the ONNX model) is not supported in this version"
    else:
        problem = f"unknown value {text!r:.80}"
    raise AnnotationError(ANNOTATION_ON_MISS, problem, f"use one of: {', '.join(OnMiss)}")


def _engines_error(problem: str, remedy: str) -> AnnotationError:
    return AnnotationError(ANNOTATION_ENGINES, problem, remedy)


def _possible_alias(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "model"
