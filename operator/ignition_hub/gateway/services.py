"""What request handlers work with; made once by ``__main__``."""

from dataclasses import dataclass, field

from aiohttp import web

from ignition_hub.buckets.default_store import DefaultStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.gateway.artifacts.careful_publishing import CarefulPublishing
from ignition_hub.gateway.artifacts.images import ImagePushing
from ignition_hub.gateway.artifacts.publishing import Signer
from ignition_hub.gateway.artifacts.storage_quotas import StorageQuotas
from ignition_hub.gateway.artifacts.store_watch import StoreWatch
from ignition_hub.gateway.artifacts.verified_engines import VerifiedEngines
from ignition_hub.gateway.cluster.callers import Callers
from ignition_hub.gateway.cluster.people import People
from ignition_hub.gateway.cluster.pod_events import PodEvents
from ignition_hub.gateway.cluster.readers import Readers
from ignition_hub.gateway.cluster.turns import Turns
from ignition_hub.gateway.cluster.usage import StoreUsage
from ignition_hub.gateway.cluster.views import EngineViews, Views
from ignition_hub.gateway.process.draining import RequestsInFlight
from ignition_hub.gateway.process.image_list import ImageFile
from ignition_hub.gateway.process.limits import ConcurrencyLimit
from ignition_hub.gateway.process.metrics import AdmissionMetrics, Metrics
from ignition_hub.gateway.process.progress import ProgressThrottle
from ignition_hub.gateway.process.settings import GatewaySettings
from ignition_hub.kube import Kube


@dataclass(frozen=True, slots=True, kw_only=True)
class AdmissionServices:
    """All that the admission of pods needs: it has no key, no store and no caller to know."""

    settings: GatewaySettings
    views: EngineViews
    metrics: AdmissionMetrics
    images: ImageFile
    life: RequestsInFlight = field(default_factory=RequestsInFlight)


@dataclass(frozen=True, slots=True, kw_only=True)
class Services(AdmissionServices):
    """The connections of a gateway that serves builders and pods."""

    metrics: Metrics
    kube: Kube
    """For what is written, and for questions that no view answers."""
    callers: Callers
    people: People
    readers: Readers
    views: Views
    stores: DefaultStore
    usage: StoreUsage
    prune_turns: Turns
    publishing: CarefulPublishing
    store_watch: StoreWatch
    image_pushing: ImagePushing
    pod_events: PodEvents
    signer: Signer
    engines: VerifiedEngines
    quick: Workers
    """For calls that take milliseconds."""
    heavy: Workers
    """For calls that read a whole engine."""
    quotas: StorageQuotas
    completing: ConcurrencyLimit = field(
        default_factory=lambda: ConcurrencyLimit("completions", most=64, each=2)
    )
    """Each reads a whole engine; a Job may have a builder and its successor."""
    pace: ProgressThrottle = field(default_factory=ProgressThrottle)

    def close(self) -> None:
        """End the threads and the connections to the store."""
        self.quick.close()
        self.heavy.close()
        self.image_pushing.close()
        self.stores.close()


ADMISSION = web.AppKey("admission", AdmissionServices)
SERVICES = web.AppKey("services", Services)
