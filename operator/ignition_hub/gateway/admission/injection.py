"""
What a pod that asks for engines is given, as a JSON patch.

Pure: the pod and the engines of its namespace come in, a list of ``add`` operations goes out. A pod whose
engines are ready gets a node affinity; one that must wait gets a scheduling gate that the controller lifts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignition_hub.compatibility.placement import (
    affinity_for,
    affinity_to_wait_with,
    can_be_placed,
    required_terms,
    shared_reach,
    terms_for,
)
from ignition_hub.compatibility.readiness import EngineView
from ignition_hub.engine import environment
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.names import (
    AUDIENCE,
    ENGINES_FOLDER,
    LABEL_INJECT,
    LABEL_WAITING,
    SCHEDULING_GATE,
    TOKEN_FILE,
    TOKEN_FOLDER,
)
from ignition_hub.engine.pod_annotations import (
    ANNOTATION_ENGINES,
    ANNOTATION_MOUNT_PATH,
    FOR_THE_FETCHER,
    AnnotationError,
    EngineReference,
    InjectionRequest,
    OnMiss,
    injection_request,
)
from ignition_hub.gateway.admission.bounds import require_few_containers, require_few_terms

__all__ = ["EngineView", "InjectionSettings", "inject", "warnings_about"]

INIT_CONTAINER = "ignition-fetch"
"""Fetches and verifies the engines; runs before every other init container."""
ENGINES_VOLUME = "ignition-engines"
"""Holds the engines; mounted read-only in the containers that get them, unless they mount it themselves."""
TOKEN_VOLUME = "ignition-token"  # noqa: S105  (a volume's name)
"""A ServiceAccount token for the gateway alone; mounted in the init container only."""
FETCHER_USER = 65532
MIRROR = "kubernetes.io/config.mirror"
TO_WAIT_WITH = 2
"""Terms that each of a pod's is split into while it waits."""

Json = dict[str, Any]
Patch = list[Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionSettings:
    """
    What the hub's installation decides about the init container.

    ``authorities`` is the PEM text the gateway's certificate is checked against; empty for the system's.
    ``deadline_seconds`` is for all engines of a pod, ``token_seconds`` the life of one projected token.
    """

    fetcher_image: str
    gateway_url: str
    authorities: str = ""
    deadline_seconds: int = 600
    token_seconds: int = 3600
    image_pull_policy: str = "IfNotPresent"
    cpu_request: str = "100m"
    memory_request: str = "64Mi"
    memory_limit: str = "128Mi"


class UnknownEngine(RequestError):
    """A pod asks for an engine its namespace does not have."""


def inject(pod: Json, engines: Mapping[str, EngineView], settings: InjectionSettings) -> Patch:
    """
    Return the JSON patch for ``pod``, empty where there is nothing to do.

    ``engines`` are all TensorRTEngines of the pod's namespace, by name. Raises RequestError, whose text is
    for the pod's author.
    """
    if not pod_asks(pod) or has_fetcher(pod):
        return []
    request = injection_request(pod)
    views = wanted_views(request, engines)
    return [
        *volumes(pod, settings),
        *init_container(pod, request, settings),
        *containers(pod, request),
        *scheduling(pod, views, request),
    ]


def pod_asks(pod: Mapping[str, Any]) -> bool:
    """Whether the pod opted in; a mirror pod only pictures a file on its node and cannot be changed."""
    metadata = pod.get("metadata", {})
    return (metadata.get("labels") or {}).get(LABEL_INJECT) == "true" and MIRROR not in (
        metadata.get("annotations") or {}
    )


def has_fetcher(pod: Mapping[str, Any]) -> bool:
    """Whether the pod was injected before: the API server asks again when another webhook changed it."""
    return any(container["name"] == INIT_CONTAINER for container in pod["spec"].get("initContainers") or ())


def wanted_views(request: InjectionRequest, engines: Mapping[str, EngineView]) -> list[EngineView]:
    """Return the engines a pod wants; UnknownEngine names the one that does not exist, and no others."""
    for name in (reference.resource for reference in request.engines):
        if name not in engines:
            # Whatever reaches the webhook may ask about any namespace: what else is there is not said.
            raise UnknownEngine(
                Reason.EngineNotFound,
                f"annotation {ANNOTATION_ENGINES}: the namespace has no TensorRTEngine {name!r}",
                "apply it there, or list those that exist: kubectl get tensorrtengines",
            )
    return [engines[name] for name in dict.fromkeys(reference.resource for reference in request.engines)]


def warnings_about(pod: Json, engines: Mapping[str, EngineView]) -> list[str]:
    """Say why a pod may wait longer than its author expects; for a pod that ``inject`` accepts."""
    if not pod_asks(pod) or has_fetcher(pod):
        return []
    views = wanted_views(injection_request(pod), engines)
    stuck = [
        f"TensorRTEngine {view.name} has failed: {_where_why_is(view)}"
        for view in views
        if not view.ready and view.failure
    ]
    if not stuck and all(view.ready for view in views) and not can_be_placed(views):
        stuck = [f"no GPU can run all of: {', '.join(view.name for view in views)}"]
    return [f"the pod will wait: {reason}" for reason in stuck]


def volumes(pod: Json, settings: InjectionSettings) -> Patch:
    """Add the engines' folder and the token the fetcher shows to the gateway."""
    token = {"audience": AUDIENCE, "expirationSeconds": settings.token_seconds, "path": "token"}
    ours: list[Json] = [
        {"name": ENGINES_VOLUME, "emptyDir": {}},
        {"name": TOKEN_VOLUME, "projected": {"sources": [{"serviceAccountToken": token}]}},
    ]
    return appended(pod, ("spec", "volumes"), ours)


def init_container(pod: Json, request: InjectionRequest, settings: InjectionSettings) -> Patch:
    """Add the fetcher before every other init container, which may need the engines already."""
    ours = fetcher(pod, request, settings)
    if pod["spec"].get("initContainers"):
        return [_add(("spec", "initContainers", 0), ours)]
    return [_add(("spec", "initContainers"), [ours])]


def fetcher(pod: Json, request: InjectionRequest, settings: InjectionSettings) -> Json:
    """Build the init container; it meets the restricted Pod Security Standard in any pod."""
    annotations = pod["metadata"]["annotations"]  # they name the engines, so there are some
    variables = {
        environment.GATEWAY_URL: settings.gateway_url,
        environment.TOKEN_FILE: TOKEN_FILE,
        environment.CA: settings.authorities,
        environment.ENGINES: ",".join(
            f"{reference.alias}={reference.resource}" for reference in request.engines
        ),
        environment.MOUNT: ENGINES_FOLDER,
        environment.DEADLINE_SECONDS: str(settings.deadline_seconds),
        **{annotation.variable: annotation.text_of(annotations) for annotation in FOR_THE_FETCHER},
    }
    return {
        "name": INIT_CONTAINER,
        "image": settings.fetcher_image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": [{"name": name, "value": value} for name, value in variables.items() if value],
        "resources": {
            "requests": {"cpu": settings.cpu_request, "memory": settings.memory_request},
            "limits": {"memory": settings.memory_limit},
        },
        "securityContext": security_context(pod),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": ENGINES_VOLUME, "mountPath": ENGINES_FOLDER},
            {"name": TOKEN_VOLUME, "mountPath": TOKEN_FOLDER, "readOnly": True},
        ],
    }


def security_context(pod: Json) -> Json:
    """Build the restricted context; the image's own user, except where the pod says root for everybody."""
    context: Json = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if (pod["spec"].get("securityContext") or {}).get("runAsUser") == 0:
        context["runAsUser"] = FETCHER_USER
    return context


def containers(pod: Json, request: InjectionRequest) -> Patch:
    """Show the engines to the containers that get them, and tell each where they are."""
    chosen = [
        (index, container)
        for index, container in enumerate(pod["spec"].get("containers") or ())
        if request.containers is None or container["name"] in request.containers
    ]
    require_few_containers(chosen)
    patch: Patch = []
    for index, container in chosen:
        patch += mount(container, index, request) + variables(container, index, request)
    return patch


def mount(container: Json, index: int, request: InjectionRequest) -> Patch:
    """Add the read-only mount, unless the container has made its own of the same volume."""
    mounts = container.get("volumeMounts") or ()
    if any(one["name"] == ENGINES_VOLUME for one in mounts):
        return []
    if taken := [one["name"] for one in mounts if one["mountPath"].rstrip("/") == request.mount_path]:
        raise AnnotationError(
            ANNOTATION_MOUNT_PATH,
            f"container {container['name']!r:.80} mounts volume {taken[0]!r:.80} at {request.mount_path}",
            "set the annotation to another path",
        )
    ours = {"name": ENGINES_VOLUME, "mountPath": request.mount_path, "readOnly": True}
    return appended(container, ("volumeMounts",), [ours], below=("spec", "containers", index))


def variables(container: Json, index: int, request: InjectionRequest) -> Patch:
    """Add the path of each engine; a variable the author set stays as it is."""
    there = {variable["name"] for variable in container.get("env") or ()}
    ours = [
        {"name": reference.variable, "value": engine_path(request, reference)}
        for reference in request.engines
        if reference.variable not in there
    ]
    return appended(container, ("env",), ours, below=("spec", "containers", index))


def engine_path(request: InjectionRequest, reference: EngineReference) -> str:
    """Return where a container finds an engine."""
    return f"{request.mount_path}/{reference.alias}/model.engine"


def scheduling(pod: Json, engines: Sequence[EngineView], request: InjectionRequest) -> Patch:
    """Keep the pod off nodes that no ready target serves, or from being scheduled at all for now."""
    affinity = pod["spec"].get("affinity")
    theirs = len(required_terms(affinity))
    if can_be_placed(engines):
        require_few_terms(theirs, len(terms_for(shared_reach(engines))))
        return [_add(("spec", "affinity"), affinity_for(engines, affinity))]
    failed = [engine for engine in engines if not engine.ready and engine.failure]
    if failed and request.on_miss is OnMiss.FAIL:
        raise RequestError(
            Reason.NoEngineForGPU,
            f"TensorRTEngine {failed[0].name} has no ready target and will not get one",
            f"{_where_why_is(failed[0])}; correct it, or set the annotation on-miss to Wait",
        )
    require_few_terms(theirs, TO_WAIT_WITH)
    waiting = affinity_to_wait_with(affinity)
    return [
        *appended(pod, ("spec", "schedulingGates"), [{"name": SCHEDULING_GATE}]),
        *labelled(pod, LABEL_WAITING, "true"),
        *([_add(("spec", "affinity"), waiting)] if waiting else []),
    ]


def labelled(pod: Json, label: str, value: str) -> Patch:
    """Add a label; a pod that was selected by label has labels."""
    return [_add(("metadata", "labels", label), value)] if pod["metadata"].get("labels") else []


def appended(document: Json, path: tuple[str, ...], ours: list[Json], below: tuple[Any, ...] = ()) -> Patch:
    """Append to the array at ``path`` of ``document``, making it where it is missing."""
    there: Any = document
    for step in path:
        there = (there or {}).get(step)
    if not ours:
        return []
    if not there:
        return [_add((*below, *path), ours)]
    return [_add((*below, *path, "-"), item) for item in ours]


def _add(path: tuple[Any, ...], value: Any) -> Json:
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in path)
    return {"op": "add", "path": "".join(f"/{step}" for step in steps), "value": value}


def _where_why_is(engine: EngineView) -> str:
    # The failure itself may name models: it is for those who may read the resource.
    return f"kubectl describe tensorrtengine {engine.name} says why"
