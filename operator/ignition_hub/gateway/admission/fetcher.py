"""
The init container that fetches a pod's engines, and what the hub's installation decides about it. Pure.
"""

from dataclasses import dataclass

from ignition_hub.engine import environment
from ignition_hub.engine.environment import PREFIX
from ignition_hub.engine.names import (
    ENGINES_FOLDER,
    INIT_CONTAINER,
    TOKEN_FILE,
    TOKEN_FOLDER,
    TOKEN_VOLUME,
)
from ignition_hub.engine.pod_annotations import FOR_THE_FETCHER, InjectionRequest
from ignition_hub.gateway.admission.image_volumes import image_mounts
from ignition_hub.gateway.admission.json_patch import Json
from ignition_hub.gateway.admission.own_mounts import engines_mount
from ignition_hub.gateway.admission.resources import resources_like, with_others_resources

FETCHER_USER = 65532
NOT_OTHERS = ("command", "args", "restartPolicy")
"""Fields that would make another program of the init container, or let the pod start before it has ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionSettings:
    """
    What the hub's installation decides about the init container.

    ``authorities`` is the PEM text the certificates of gateway and node cache are checked against; empty for
    the system's. ``node_cache_url`` is empty where nodes have no cache. ``no_images`` says why no pod can
    mount an engine as an image, empty where one may.
    ``deadline_seconds`` is for all engines of a pod, ``token_seconds`` the life of one projected token,
    ``largest_engine`` and ``largest_model`` the bytes of the largest that the hub accepts.
    """

    fetcher_image: str
    gateway_url: str
    node_cache_url: str = ""
    authorities: str = ""
    deadline_seconds: int = 600
    token_seconds: int = 3600
    largest_engine: int = 64 * 1024**3
    largest_model: int = 16 * 1024**3
    image_pull_policy: str = "IfNotPresent"
    no_images: str = ""


def fetcher(
    pod: Json,
    request: InjectionRequest,
    settings: InjectionSettings,
    filled: str = "",
    user: int | None = None,
) -> Json:
    """
    Build the init container; it meets the restricted Pod Security Standard in any pod.

    ``filled`` is the part of the engines' volume that it has, empty for all of it.
    ``user`` is the one that it has to run as, None for the pod's, or the image's own.
    """
    return {
        "name": INIT_CONTAINER,
        "image": settings.fetcher_image,
        "imagePullPolicy": settings.image_pull_policy,
        "env": variables(pod, request, settings),
        "resources": resources_like(pod["spec"].get("containers") or ()),
        "securityContext": security_context(pod, user),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            engines_mount(ENGINES_FOLDER, filled),
            {"name": TOKEN_VOLUME, "mountPath": TOKEN_FOLDER, "readOnly": True},
            *image_mounts(request),
        ],
    }


def variables(pod: Json, request: InjectionRequest, settings: InjectionSettings) -> list[Json]:
    """Return what the fetcher is told: what to bring, whom to ask, and what the pod's annotations say."""
    annotations = pod["metadata"]["annotations"]  # they name the engines, so there are some
    told = {
        environment.GATEWAY_URL: settings.gateway_url,
        environment.NODE_CACHE_URL: settings.node_cache_url,
        environment.TOKEN_FILE: TOKEN_FILE,
        environment.CA: settings.authorities,
        environment.ENGINES: ",".join(
            f"{reference.alias}={reference.resource}" for reference in request.engines
        ),
        environment.MOUNT: ENGINES_FOLDER,
        environment.IMAGES: ",".join(f"{image.alias}={image.sha256}" for image in request.images),
        environment.DEADLINE_SECONDS: str(settings.deadline_seconds),
        **{annotation.variable: annotation.text_of(annotations) for annotation in FOR_THE_FETCHER},
    }
    return [{"name": name, "value": value} for name, value in told.items() if value]


def refreshed(there: Json, ours: Json) -> Json:
    """
    Return an init container that was injected before, with all that is ours as it is today.

    What the API server and other webhooks added to it stays: defaults, mounts, variables, a user.
    """
    kept = {name: value for name, value in there.items() if name not in NOT_OTHERS}
    mounted = {mount["mountPath"] for mount in ours["volumeMounts"]}
    context = {**(there.get("securityContext") or {}), **ours["securityContext"]}
    return {
        **kept,
        **ours,
        "env": ours["env"] + [one for one in there.get("env") or () if not one["name"].startswith(PREFIX)],
        "volumeMounts": ours["volumeMounts"]
        + [one for one in there.get("volumeMounts") or () if one["mountPath"] not in mounted],
        "resources": with_others_resources(ours["resources"], there.get("resources") or {}),
        "securityContext": context,
    }


def security_context(pod: Json, user: int | None) -> Json:
    """Build the restricted context; where the pod says root for everybody, with a user that is not root."""
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
    return context if user is None else {**context, "runAsUser": user}
