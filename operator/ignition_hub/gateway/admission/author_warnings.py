"""
What the author of an accepted pod is warned of: why it may wait, not find the gateway, or be evicted. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from ignition_hub.compatibility.readiness import EngineView
from ignition_hub.compatibility.stuck import reasons_to_wait
from ignition_hub.engine.names import ENGINES_VOLUME
from ignition_hub.engine.pod_annotations import OnMiss, injection_request
from ignition_hub.gateway.admission.fetcher import InjectionSettings
from ignition_hub.gateway.admission.image_volumes import mounting
from ignition_hub.gateway.admission.injection import pod_asks, wanted_views
from ignition_hub.gateway.admission.json_patch import Json
from ignition_hub.gateway.admission.recipients import blind
from ignition_hub.gateway.admission.resources import LIMITS, amount

MIB = 1024**2


def warnings_about(pod: Json, engines: Mapping[str, EngineView], settings: InjectionSettings) -> list[str]:
    """Say what the author of a pod may not expect; for a pod that ``inject`` accepts."""
    if not pod_asks(pod):
        return []
    request = injection_request(pod)
    views = wanted_views(request, engines)
    reasons = [] if request.on_miss is OnMiss.FALLBACK else reasons_to_wait(pod, views)
    waits = [f"the pod will wait: {reason}" for reason in reasons]
    why_not = mounting(pod, request, views, settings.no_images).why_not
    downloads = [f"delivery ImageVolume: the engines are downloaded: {why_not}"] if why_not else []
    unseen = [f"{why}: it sees no engine" for why in blind(pod, request)]
    return [*waits, *downloads, *unseen, *gateway_not_found(pod, settings), *too_large(pod, views)]


def gateway_not_found(pod: Json, settings: InjectionSettings) -> Iterator[str]:
    """Say that a pod does not ask the cluster's DNS, which alone knows the name of a Service."""
    host = urlsplit(settings.gateway_url).hostname or ""
    on_host = bool(pod["spec"].get("hostNetwork"))
    policy = pod["spec"].get("dnsPolicy") or "ClusterFirst"
    if ".svc." in f"{host}." and (policy == "Default" or (on_host and policy == "ClusterFirst")):
        because = f"with {'hostNetwork and ' if on_host else ''}dnsPolicy {policy} it asks the node's DNS"
        remedy = "ClusterFirstWithHostNet" if on_host else "ClusterFirst"
        yield f"the init container may not find {host}: {because}; set dnsPolicy: {remedy}"


def too_large(pod: Json, views: Sequence[EngineView]) -> Iterator[str]:
    """Say that the engines alone take more ephemeral storage than the pod's containers may use."""
    limit, size = ephemeral_limit(pod), sum(view.size or 0 for view in views)
    brings_own = ENGINES_VOLUME in [volume["name"] for volume in pod["spec"].get("volumes") or ()]
    if limit and size > limit and not brings_own:
        yield (
            f"the kubelet may evict the pod: its engines take {size // MIB} MiB of ephemeral storage, and "
            f"limits.ephemeral-storage of its containers allow {limit // MIB} MiB; raise them"
        )


def ephemeral_limit(pod: Json) -> int:
    """Return how many bytes of ephemeral storage all containers together may use; 0 for no limit."""
    limits = [
        amount(one.get("resources") or {}, LIMITS, "ephemeral-storage")
        for one in pod["spec"].get("containers") or ()
    ]
    return int(sum(limit for limit in limits if limit))
