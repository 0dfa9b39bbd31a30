"""
What the author of a pod may ask for: each annotation once, with its name, its default and how it is read.

Admission reads all of them into one value, or refuses the pod by the annotation's name; the init container is
given those of ``FOR_THE_FETCHER``, each in a variable, and reads them by the same rule.
"""

import posixpath
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from ignition_hub.engine.enums import StrEnum
from ignition_hub.engine.environment import ENGINE_OF_ALIAS, MODEL_OF_ALIAS, PREFIX
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.names import ENGINES_FOLDER, GROUP, IMAGES_FOLDER, INIT_CONTAINER
from ignition_hub.engine.naming import engines_named
from ignition_hub.engine.quoting import shortened

MOST_ENGINES = 16
ANNOTATION_CHARACTERS = 4096
"""The longest value of an annotation: sixteen engines with names of 250 characters."""
NAMES_CHARACTERS = 253
"""How much of a list of names a message shows."""
ALIAS = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
RESOURCE = re.compile(r"(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
MOUNT_PATH = re.compile(r"/[A-Za-z0-9._/-]{1,254}")
# A mount over one of these would hide what the container itself is made of.
SYSTEM_PATHS = ("/bin", "/dev", "/etc", "/lib", "/lib64", "/proc", "/sbin", "/sys", "/usr", "/var/run")

Value = TypeVar("Value")


class OnMiss(StrEnum):
    """What to do when no engine fits the GPU a pod got, as its annotation says."""

    WAIT = "Wait"  # an engine for it may be on its way: ask again until the deadline
    FALLBACK = "Fallback"  # take the ONNX model at once
    FAIL = "Fail"  # say so at once


class LayoutName(StrEnum):
    """What lies beside an engine for the program that serves it, as the annotation says."""

    PLAIN = "plain"  # the engine and its record
    TRITON = "triton"  # a model of a Triton repository
    KSERVE = "kserve"  # the same, where the runtimes of KServe look for it
    DEEPSTREAM = "deepstream"  # a configuration of DeepStream's nvinfer
    EPCONTEXT = "epcontext"  # an ONNX model of the engine, for onnxruntime


KSERVE_FOLDER = "/mnt/models"
"""Where KServe's storage initializer puts a model, and its runtimes look for one (KServe 0.16)."""


class Delivery(StrEnum):
    """How the bytes of an engine come to the pod's node, as the annotation says."""

    FETCH = "Fetch"  # the init container downloads them
    IMAGE_VOLUME = "ImageVolume"  # the kubelet pulls an image, and the init container verifies it


class Rollout(StrEnum):
    """When pods whose engines were replaced are restarted."""

    MANUAL = "Manual"  # when its author restarts them
    AUTOMATIC = "Automatic"  # when the new engines are ready, one workload of a namespace at a time


@dataclass(frozen=True, slots=True)
class EngineReference:
    """One engine a pod asks for: ``alias`` is its folder below the mount, ``resource`` the TensorRTEngine."""

    alias: str
    resource: str

    @property
    def variable(self) -> str:
        """The environment variable that tells the containers where the engine is."""
        return ENGINE_OF_ALIAS + self._suffix

    @property
    def model_variable(self) -> str:
        """The environment variable that tells where the model is that a pod gets in place of the engine."""
        return MODEL_OF_ALIAS + self._suffix

    @property
    def _suffix(self) -> str:
        return self.alias.upper().replace("-", "_")


class AnnotationError(RequestError):
    """An annotation cannot be followed; the message names it, its value, and what would work."""

    def __init__(self, annotation: "PodAnnotation[Any]", problem: str, remedy: str) -> None:
        super().__init__(Reason.InvalidRequest, f"annotation {annotation}: {problem}", remedy)


@dataclass(frozen=True, slots=True)
class PodAnnotation(Generic[Value]):
    """
    One annotation that the author of a pod may set.

    ``read`` makes the value of its text, or raises AnnotationError. ``example`` is another text than the
    default's: what a pod gets changes with it.
    """

    name: str
    read: Callable[[str], Value]
    default: Value
    example: str

    def __str__(self) -> str:
        return self.name

    def of(self, annotations: Mapping[str, Any]) -> Value:
        """Return the value for a pod with these annotations; AnnotationError for one that cannot be read."""
        if self.name not in annotations:
            return self.default
        text = annotations[self.name]
        if not isinstance(text, str):
            raise AnnotationError(self, "its value is not a string", "quote it")
        if len(text) > ANNOTATION_CHARACTERS:
            most = f"at most {ANNOTATION_CHARACTERS} are accepted"
            raise AnnotationError(self, f"it has {len(text)} characters", most)
        return self.read(text)

    def text_of(self, annotations: Mapping[str, str]) -> str:
        """Return what a pod with these annotations says, or the default, as text."""
        return annotations.get(self.name, str(self.default))

    @property
    def variable(self) -> str:
        """The variable of the init container that holds the text, if this is one of ``FOR_THE_FETCHER``."""
        return PREFIX + self.name.partition("/")[2].upper().replace("-", "_")


def read_engines(text: str) -> tuple[EngineReference, ...]:
    """Read ``[alias=]resource, ...``; every alias may be used once."""
    named = engines_named(text)
    if len(named) > MOST_ENGINES:
        raise _engines_error(f"lists {len(named)} engines", f"a pod can have at most {MOST_ENGINES}")
    references = tuple(read_reference(alias, resource) for alias, resource in named)
    seen: set[str] = set()
    for reference in references:
        if reference.alias in seen:
            raise _engines_error(
                f"alias {reference.alias!r} is used twice", "give each engine a unique alias: alias=resource"
            )
        seen.add(reference.alias)
    return references


def read_reference(alias: str, resource: str) -> EngineReference:
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
    return EngineReference(alias, resource)


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


def read_containers(text: str) -> frozenset[str]:
    """Read the names of the containers that get the engines."""
    return frozenset(item.strip() for item in text.split(",") if item.strip())


def read_on_miss(text: str) -> OnMiss:
    """Read what happens where no target serves the GPU a pod got."""
    if text in set(OnMiss):
        return OnMiss(text)
    raise AnnotationError(
        ANNOTATION_ON_MISS, f"unknown value {text!r:.80}", f"use one of: {', '.join(OnMiss)}"
    )


def read_layout(text: str) -> LayoutName:
    """Read which program the engines are laid out for."""
    if text not in set(LayoutName):
        raise AnnotationError(
            ANNOTATION_LAYOUT, f"unknown value {text!r:.80}", f"use one of: {', '.join(LayoutName)}"
        )
    return LayoutName(text)


def read_rollout(text: str) -> Rollout:
    """Read who restarts the pods of a workload when their engines were replaced."""
    if text in set(Rollout):
        return Rollout(text)
    raise AnnotationError(
        ANNOTATION_ROLLOUT, f"unknown value {text!r:.80}", f"use one of: {', '.join(Rollout)}"
    )


def read_delivery(text: str) -> Delivery:
    """Read how the engines come to the node."""
    if text in set(Delivery):
        return Delivery(text)
    raise AnnotationError(
        ANNOTATION_DELIVERY, f"unknown value {text!r:.80}", f"use one of: {', '.join(Delivery)}"
    )


def _engines_error(problem: str, remedy: str) -> AnnotationError:
    return AnnotationError(ANNOTATION_ENGINES, problem, remedy)


def _possible_alias(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:63].strip("-") or "model"


ANNOTATION_ENGINES: PodAnnotation[tuple[EngineReference, ...]] = PodAnnotation(
    f"{GROUP}/engines", read_engines, (), "detector=yolo-v8"
)
"""
Pod annotation of the author: the TensorRTEngines it needs, of its own namespace, as ``[alias=]name, ...``, at
most 16; required. An alias is the folder of the engine; default: the name.
"""
ANNOTATION_MOUNT_PATH = PodAnnotation(f"{GROUP}/mount-path", read_mount_path, ENGINES_FOLDER, "/models/trt")
"""
Pod annotation of the author: folder where the containers see the engines. Default: ``/engines``, with the
layout ``kserve`` ``/mnt/models``.
"""
ANNOTATION_CONTAINERS: PodAnnotation[frozenset[str] | None] = PodAnnotation(
    f"{GROUP}/containers", read_containers, None, "app"
)
"""
Pod annotation of the author: containers that get the engines, as ``name, ...``. Default: all of
``spec.containers`` but the proxy of Istio or Linkerd; init containers, and native sidecars among them, get
engines only where they are named.
"""
ANNOTATION_ON_MISS = PodAnnotation(f"{GROUP}/on-miss", read_on_miss, OnMiss.WAIT, "Fail")
"""
Pod annotation of the author: what follows where no target has an engine for the GPU of the pod's node.
``Wait`` asks again until the deadline, ``Fallback`` delivers the ONNX model at once, ``Fail`` fails at once.
Default: ``Wait``.
"""
ANNOTATION_LAYOUT = PodAnnotation(f"{GROUP}/layout", read_layout, LayoutName.PLAIN, "triton")
"""
Pod annotation of the author: what lies beside each engine for the program that serves it. ``plain`` is the
engine and its record, ``triton`` makes the folder of the engines a model repository, ``kserve`` puts that
where Triton's runtime of KServe reads it, ``deepstream`` adds a configuration of nvinfer,
``epcontext`` an ONNX model of the engine. Default: ``plain``.
"""
ANNOTATION_ROLLOUT = PodAnnotation(f"{GROUP}/rollout", read_rollout, Rollout.MANUAL, "Automatic")
"""
Pod annotation of the author: whether the hub restarts the pods of a Deployment, StatefulSet, DaemonSet or
Argo Rollout when new engines are ready for the GPUs that they run on. ``Automatic`` does so where the chart's
``rollouts.enabled`` is set, ``Manual`` never. Default: ``Manual``.
"""
ANNOTATION_DELIVERY = PodAnnotation(f"{GROUP}/delivery", read_delivery, Delivery.FETCH, "ImageVolume")
"""
Pod annotation of the author: how the engines come to the node. ``ImageVolume`` mounts images that the hub
pushed to the registry of the EngineStore, where one engine of each TensorRTEngine can be meant when the pod
is created, and downloads the engines otherwise; ``Fetch`` always downloads them. Default: ``Fetch``.
"""

FOR_THE_FETCHER: tuple[PodAnnotation[Any], ...] = (ANNOTATION_ON_MISS, ANNOTATION_LAYOUT)


@dataclass(frozen=True, slots=True)
class EngineImage:
    """An engine that a pod mounts: the image by digest, and the SHA-256 of the engine in it."""

    alias: str
    reference: str
    sha256: str

    @property
    def mount_path(self) -> str:
        """Where the image is in every container that gets the engine."""
        return f"{IMAGES_FOLDER}/{self.alias}"


@dataclass(frozen=True, slots=True)
class InjectionRequest:
    """
    Everything a pod's annotations say. ``containers`` is None where it names none.

    ``images`` are not said there: admission adds those that it found for ``delivery``.
    """

    engines: tuple[EngineReference, ...]
    mount_path: str
    containers: frozenset[str] | None
    on_miss: OnMiss
    layout: LayoutName
    rollout: Rollout
    delivery: Delivery
    images: tuple[EngineImage, ...] = ()


def injection_request(pod: Mapping[str, Any]) -> InjectionRequest:
    """Read a pod's annotations; AnnotationError says which one is wrong."""
    annotations: Mapping[str, Any] = pod.get("metadata", {}).get("annotations") or {}
    layout = ANNOTATION_LAYOUT.of(annotations)
    request = InjectionRequest(
        engines=ANNOTATION_ENGINES.of(annotations),
        mount_path=mount_path_for(layout, annotations),
        containers=ANNOTATION_CONTAINERS.of(annotations),
        on_miss=ANNOTATION_ON_MISS.of(annotations),
        layout=layout,
        rollout=ANNOTATION_ROLLOUT.of(annotations),
        delivery=ANNOTATION_DELIVERY.of(annotations),
    )
    if not request.engines:
        raise _engines_error(
            "lists no engines", 'list the names of TensorRTEngines, for example "arcface-r100, det=yolo-v8"'
        )
    if request.containers is not None:
        require_containers(request.containers, container_names(pod.get("spec", {})))
    return request


def mount_path_for(layout: LayoutName, annotations: Mapping[str, Any]) -> str:
    """Return where the containers see the engines: as the annotation says, else where they look for them."""
    if layout is LayoutName.KSERVE and ANNOTATION_MOUNT_PATH.name not in annotations:
        return KSERVE_FOLDER
    return ANNOTATION_MOUNT_PATH.of(annotations)


def container_names(spec: Mapping[str, Any]) -> list[str]:
    """Return the names of a pod's containers, init containers last and the hub's own left out."""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return [container["name"] for container in containers if container["name"] != INIT_CONTAINER]


def require_containers(wanted: frozenset[str], names: list[str]) -> None:
    """Raise AnnotationError unless ``wanted`` are some of the containers with these ``names``."""
    unknown = next(iter(sorted(wanted - frozenset(names))), None)
    if unknown is not None or not wanted:
        problem = f"the pod has no container {unknown!r:.80}" if unknown else "no container is listed"
        listed = shortened(", ".join(names), NAMES_CHARACTERS)
        raise AnnotationError(ANNOTATION_CONTAINERS, problem, f"its containers are: {listed}")
