"""
Service meshes whose proxy is a container of the pod: how the fetcher reaches gateway and bucket. Pure.

Where the mesh's CNI plugin redirects the traffic of a pod to a proxy that has not started yet, init
containers have no network. Istio and Linkerd leave out traffic of the proxy's own user.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ignition_hub.engine.pod_annotations import InjectionRequest
from ignition_hub.gateway.admission.json_patch import Json


@dataclass(frozen=True, slots=True)
class Mesh:
    """
    What a mesh adds to a pod.

    ``proxy`` is a container, or an init container that restarts always (a native sidecar). ``check`` is an
    init container that is there only where a CNI plugin redirects the traffic. ``user`` is the proxy's where
    it does not say.
    """

    proxy: str
    check: str
    user: int


MESHES = (
    Mesh("istio-proxy", "istio-validation", 1337),
    Mesh("linkerd-proxy", "linkerd-network-validator", 2102),
)
"""As the templates of Istio's and Linkerd's injectors name them, and with their default users."""


PROXIES = frozenset(mesh.proxy for mesh in MESHES)


def place(others: Sequence[Json], request: InjectionRequest) -> int:
    """
    Return the index of the fetcher among the ``others``, a pod's init containers without it.

    Behind a mesh's check, which keeps all others from starting, and behind a proxy that is a native sidecar,
    so that the fetcher's traffic is part of the mesh. Else first: any other may need the engines. First too
    where a container that gets engines comes before those of the mesh.
    """
    named = request.containers or frozenset()
    behind = max((index + 1 for index, one in enumerate(others) if _comes_first(one)), default=0)
    return 0 if any(one["name"] in named for one in others[:behind]) else behind


def user_past(pod: Json, before: Sequence[Json]) -> int | None:
    """Return the user whose traffic is not redirected, where no proxy is ``before`` the fetcher."""
    containers = [*(pod["spec"].get("initContainers") or ()), *(pod["spec"].get("containers") or ())]
    by_name = {container["name"]: container for container in containers}
    for mesh in MESHES:
        if mesh.check in by_name and mesh.proxy not in [one["name"] for one in before]:
            return user_of(by_name.get(mesh.proxy, {})) or mesh.user
    return None


def user_of(container: Json) -> int:
    """Return the user that a container says it runs as; 0 for root, or where it does not say."""
    user = (container.get("securityContext") or {}).get("runAsUser")
    return user if isinstance(user, int) else 0


def _comes_first(container: Json) -> bool:
    is_native = container.get("restartPolicy") == "Always"
    return any(container["name"] == (mesh.proxy if is_native else mesh.check) for mesh in MESHES)
