"""
Where a random walk goes: a cluster and a store in memory, a controller, and who plays the Job controller,
kubelet and gateway there. Time is virtual (``virtualtime``), and the controller is the whole of it but for
kopf: queue, watches, passes and back-offs.
"""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

from fakeworld import FakeWorld, make_manifest
from ignition_hub.controller import app
from ignition_hub.controller.adapters import scopes
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.feed import Feed
from ignition_hub.controller.app import Controller, ControllerSettings
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.controller.policy.store_status import Probe
from ignition_hub.controller.policy.views import JobState
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.manifest import EngineFile
from ignition_hub.engine.names import (
    ANNOTATION_FAILURE,
    ANNOTATION_PROGRESS,
    ANNOTATION_REBUILD,
    BUILD_NAMESPACE,
    LABEL_INJECT,
    LABEL_WAITING,
    RELEASE_NAMESPACE,
    SCHEDULING_GATE,
)
from ignition_hub.engine.naming import StorePaths
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.engine.request import BuildRequest
from ignition_hub.engine.store_findings import StoreReason
from ignition_hub.kube import JOBS, Conflict, NotFound, Object
from ignition_hub.ttl_cache import TtlCache
from job_controller import ended, request_of
from memorykube import MemoryApi, MemoryKube

EPOCH = 1767225600.0
TEAMS = ("vision", "speech")
NAMES = ("alpha", "beta")
OTHER_URI = "s3://models/other.onnx"
ARCHS = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_120")
VERSIONS = ("1.5.0.114", "1.6.1.33", "1.7.1.116")
PAUSES = (0.0, 0.0, 0.05, 0.3, 1.0, 4.0, 20.0, 130.0)
REST = 900.0
"""Seconds after which everything that comes by itself has come: back-offs of 300 s, pauses of 600 s."""


class WalkWorld(FakeWorld):
    """A store whose EngineStore says whether it is away."""

    async def probe(self, store: Mapping[str, Any]) -> Probe:
        if self.trouble is not None:
            return Probe(StoreReason.BUCKET_UNREACHABLE, str(self.trouble))
        return Probe(StoreReason.BUCKET_REACHABLE)


@dataclass
class Site:
    """A cluster, a store, and at most one controller."""

    chance: random.Random
    world: WalkWorld
    resync: float
    api: Any = None
    """A ``MemoryApi``, unless another cluster is given."""
    kube: MemoryKube = field(init=False)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    restarts: int = 0

    def __post_init__(self) -> None:
        self.api = self.api or MemoryApi(self.wall, self.chance)

    def wall(self) -> float:
        return EPOCH + asyncio.get_running_loop().time()

    def start(self) -> None:
        """Start a controller that knows nothing and leads."""
        self.kube = MemoryKube(self.api)
        kube: Any = self.kube
        cluster = Cluster(kube, BUILD_NAMESPACE)
        settings = ControllerSettings(
            release_namespace=RELEASE_NAMESPACE,
            build_namespace=BUILD_NAMESPACE,
            gateway_url="https://gateway.invalid",
            resync=self.resync,
        )
        loop = asyncio.get_running_loop()
        with (
            mock.patch.object(app, "time", SimpleNamespace(time=self.wall, monotonic=loop.time)),
            mock.patch.dict(TtlCache.__init__.__kwdefaults__, clock=loop.time),
        ):
            controller = Controller(kube, self.world, cluster, settings)
        watching = controller.watching
        platform = (Feed(kube, scopes.POOLS, cluster.pools, watching.pool),)
        platform += (Feed(kube, scopes.STORES, cluster.stores, watching.store),)
        works = [
            controller.lead(),
            controller.watch_demand(),
            *(feed.run() for feed in (*controller.feeds, *platform)),
        ]
        self.tasks = [asyncio.create_task(work) for work in works]

    async def kill(self) -> None:
        """End the controller where it is: of its requests under way some arrived."""
        for task in self.tasks:
            task.cancel()
        for result in await asyncio.gather(*self.tasks, return_exceptions=True):
            if not isinstance(result, asyncio.CancelledError):
                raise result
        self.tasks = []

    async def restart(self) -> None:
        await self.kill()
        self.restarts += 1
        self.start()

    def writes(self) -> Counter[str]:
        return Counter(self.kube.writes)


class Player:
    """Job controller, kubelet and gateway."""

    def __init__(self, site: Site) -> None:
        self.site, self.api = site, site.api

    def at_work(self) -> list[Object]:
        return [job for job in self.api.all_of(JOBS) if state_of(job) is JobState.ACTIVE]

    def begin(self, job: Object) -> None:
        """Have a Job's pod run, if the Job is still there."""
        name, uid = job["metadata"]["name"], job["metadata"]["uid"]
        with suppress(NotFound, Conflict):
            patch = {"metadata": {"uid": uid}, "status": {"ready": 1}}
            self.api.patch(JOBS, name, patch, BUILD_NAMESPACE, "status")

    def end(self, job: Object) -> None:
        """End a Job as its request deserves."""
        request = request_of(job)
        if reason := self._refusal(request):
            self.fail(job, reason, 10)
            return
        self._publish(request, is_rebuild=ANNOTATION_REBUILD in job["metadata"]["annotations"])
        self._finish(job, "Complete", "CompletionsReached")

    def fail(self, job: Object, reason: str, code: int, why: str = "PodFailurePolicy") -> None:
        failure = json.dumps({"reason": reason, "message": f"it said {reason}", "exitCode": code})
        self._annotate(job, {ANNOTATION_FAILURE: failure})
        self._finish(job, "Failed", why)

    def tell_progress(self, job: Object, percent: int) -> None:
        progress = json.dumps({"phase": "Building engine", "percent": percent})
        self._annotate(job, {ANNOTATION_PROGRESS: progress})

    def _refusal(self, request: BuildRequest) -> str | None:
        store = self.site.world.bucket
        data = store.models.get(request.model_uri)
        if (request.namespace, request.model_uri) in store.forbidden:
            return Reason.SourceForbidden
        if data is None:
            return Reason.SourceNotFound
        etag = hashlib.md5(data).hexdigest()
        now = fingerprint(request.model_uri, sha256=request.model_sha256, etag=etag, size=len(data))
        pinned = request.model_sha256 or hashlib.sha256(data).hexdigest()
        same = now == request.inputs.model.fingerprint and pinned == hashlib.sha256(data).hexdigest()
        return None if same else Reason.ModelDigestMismatch

    def _publish(self, request: BuildRequest, *, is_rebuild: bool) -> None:
        manifests = self.site.world.bucket.manifests
        if request.identity in manifests and not is_rebuild:
            return
        manifest = make_manifest(request.inputs, request.identity)
        built_at = self.api.timestamp()
        sha256 = hashlib.sha256(f"{request.identity}{built_at}".encode()).hexdigest()
        paths = StorePaths("ignition", request.inputs, request.identity)
        engine = EngineFile(paths.engine(sha256), sha256, 1000)
        manifests[request.identity] = replace(manifest, built_at=built_at, engine=engine)

    def _annotate(self, job: Object, annotations: dict[str, str]) -> None:
        patch = {"metadata": {"annotations": annotations}}
        self.api.patch(JOBS, job["metadata"]["name"], patch, BUILD_NAMESPACE, None)

    def _finish(self, job: Object, kind: str, reason: str) -> None:
        first = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}[kind]
        patch = {"status": ended(first, kind, reason, self.api.timestamp())}
        self.api.patch(JOBS, job["metadata"]["name"], patch, BUILD_NAMESPACE, "status")


def node_of(arch: str) -> str:
    """Return the name of the node that began with a GPU."""
    return f"walk-{arch.replace('_', '-')}"


def placed_pod(name: str, engines: str, arch: str) -> Object:
    """Return a pod with engines that is bound to a node."""
    return {
        "metadata": {
            "name": name,
            "labels": {LABEL_INJECT: "true"},
            "annotations": {ANNOTATION_ENGINES.name: engines},
        },
        "spec": {
            "nodeName": node_of(arch),
            "containers": [{"name": "main", "image": "busybox"}],
            "terminationGracePeriodSeconds": 0,  # no kubelet ends it
        },
    }


def gated_pod(name: str, engines: str) -> Object:
    """Return a pod as the webhook leaves it while its engines are not ready."""
    return {
        "metadata": {
            "name": name,
            "labels": {LABEL_WAITING: "true"},
            "annotations": {ANNOTATION_ENGINES.name: engines},
        },
        "spec": {
            "schedulingGates": [{"name": SCHEDULING_GATE}],
            "containers": [{"name": "main", "image": "busybox"}],
        },
    }


def name_of(body: Object) -> str:
    """Return namespace and name of an object."""
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"
