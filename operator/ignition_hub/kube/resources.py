"""The kinds the project reads and writes, and where their objects live in the API. Pure."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ignition_hub.engine.names import GROUP, VERSION
from ignition_hub.kube.errors import Invalid

Object = dict[str, Any]
"""One Kubernetes object, as its JSON."""


@dataclass(frozen=True, slots=True)
class Resource:
    """Where one kind lives in the API."""

    group: str
    version: str
    plural: str
    namespaced: bool
    kind: str

    @property
    def api_version(self) -> str:
        """Return what objects of this kind carry as ``apiVersion``."""
        return f"{self.group}/{self.version}" if self.group else self.version


ENGINES = Resource(GROUP, VERSION, "tensorrtengines", namespaced=True, kind="TensorRTEngine")
POOLS = Resource(GROUP, VERSION, "buildpools", namespaced=False, kind="BuildPool")
STORES = Resource(GROUP, VERSION, "enginestores", namespaced=False, kind="EngineStore")
JOBS = Resource("batch", "v1", "jobs", namespaced=True, kind="Job")
DEPLOYMENTS = Resource("apps", "v1", "deployments", namespaced=True, kind="Deployment")
STATEFUL_SETS = Resource("apps", "v1", "statefulsets", namespaced=True, kind="StatefulSet")
DAEMON_SETS = Resource("apps", "v1", "daemonsets", namespaced=True, kind="DaemonSet")
REPLICA_SETS = Resource("apps", "v1", "replicasets", namespaced=True, kind="ReplicaSet")
ROLLOUTS = Resource("argoproj.io", "v1alpha1", "rollouts", namespaced=True, kind="Rollout")
PODS = Resource("", "v1", "pods", namespaced=True, kind="Pod")
NODES = Resource("", "v1", "nodes", namespaced=False, kind="Node")
RESOURCE_CLAIMS = Resource("resource.k8s.io", "v1", "resourceclaims", namespaced=True, kind="ResourceClaim")
RESOURCE_SLICES = Resource("resource.k8s.io", "v1", "resourceslices", namespaced=False, kind="ResourceSlice")
SECRETS = Resource("", "v1", "secrets", namespaced=True, kind="Secret")
NAMESPACES = Resource("", "v1", "namespaces", namespaced=False, kind="Namespace")
LEASES = Resource("coordination.k8s.io", "v1", "leases", namespaced=True, kind="Lease")
EVENTS = Resource("events.k8s.io", "v1", "events", namespaced=True, kind="Event")
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews", namespaced=False, kind="TokenReview")
SUBJECT_ACCESS_REVIEWS = Resource(
    "authorization.k8s.io", "v1", "subjectaccessreviews", namespaced=False, kind="SubjectAccessReview"
)


def path_of(
    resource: Resource, name: str | None = None, namespace: str | None = None, subresource: str | None = None
) -> str:
    """Return the URL path of a kind, or of one object of it; Invalid for a name that would leave it."""
    parts = ["apis", resource.group, resource.version] if resource.group else ["api", resource.version]
    if resource.namespaced and namespace:
        parts += ["namespaces", namespace]
    parts.append(resource.plural)
    parts += [part for part in (name, subresource) if part]
    # Quoting leaves dots alone, and HTTP clients resolve such a segment: ``namespaces/..`` is all of them.
    if any(part in {".", ".."} for part in parts):
        raise Invalid(422, f"{name or namespace!r} is not a name")
    return "/" + "/".join(quote(part, safe="") for part in parts)
