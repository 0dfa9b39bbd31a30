"""
What resources and pods use of the store, for those who take something out of it.

Resources come from the watch, as they are now. Pods are listed when a run begins and kept for some minutes: a
pod that is not seen yet is younger than all that may be removed, and one that has ended only keeps more.
"""

from dataclasses import dataclass

from ignition_hub.engine.names import LABEL_INJECT
from ignition_hub.gateway.cluster.views import Views
from ignition_hub.kube import PODS, Kube
from ignition_hub.retention.demand import Claim, Demand, RunningPod, running_pod_of
from ignition_hub.ttl_cache import TtlCache

PODS_SECONDS = 300.0
INJECTED = f"{LABEL_INJECT}=true"


@dataclass(frozen=True, slots=True)
class _Made:
    """A demand and what it was made from."""

    changes: int
    pods: tuple[RunningPod, ...]
    claims: list[Claim]
    demand: Demand


class StoreUsage:
    """The demand at this moment, made again where a resource has changed."""

    def __init__(self, kube: Kube, views: Views) -> None:
        self._kube, self._views = kube, views
        self._pods: TtlCache[str, tuple[RunningPod, ...]] = TtlCache(seconds=PODS_SECONDS, size=1)
        self._made: _Made | None = None

    async def pods(self, *, fresh: bool) -> tuple[RunningPod, ...]:
        """Return the pods with engines that have not ended; KubeError when they cannot be listed."""
        if fresh:
            self._pods.forget("pods")
        return await self._pods.get("pods", self._listed)

    def demand(self, pods: tuple[RunningPod, ...]) -> Demand:
        """Return what is in use; Unavailable while the view of the resources is not complete."""
        self._views.require_all_engines()
        changes, made = self._views.engine_changes, self._made
        if made is not None and (made.changes, made.pods) == (changes, pods):
            return made.demand
        claims = self._views.claims()
        # Most changes leave a resource with the same engines, and comparing takes a tenth of making it again.
        is_the_same = made is not None and (made.claims, made.pods) == (claims, pods)
        demand = made.demand if made is not None and is_the_same else Demand(claims, pods)
        self._made = _Made(changes, pods, claims, demand)
        return demand

    async def _listed(self) -> tuple[RunningPod, ...]:
        found = list[RunningPod]()
        async for page in self._kube.pages(PODS, labels=INJECTED):
            pods = (running_pod_of(body) for body in page.get("items") or [])
            found += [pod for pod in pods if pod is not None]
        return tuple(found)
