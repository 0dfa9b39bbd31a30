"""
Random walks of a controller in memory: what everybody around it may do, in any order, and then quiet.

A walk edits specs, pools and the store, plays the Job controller and the gateway, kills the controller and
has requests and watches fail. Time is virtual (``virtualtime``), and the controller is the whole of it but
for kopf: queue, watches, passes and back-offs. Everything follows from the seed.
"""

import asyncio
import copy
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any
from unittest import mock

from fakeworld import IMAGE, MODEL_URI, FakeStore, FakeWorld, make_engine, make_manifest, make_pool
from ignition_hub.controller import app
from ignition_hub.controller.adapters import scopes
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.adapters.feed import Feed
from ignition_hub.controller.app import Controller, ControllerSettings
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.controller.policy.store_status import Probe
from ignition_hub.controller.policy.views import JobState
from ignition_hub.engine.errors import Reason, TransientError
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.manifest import EngineFile
from ignition_hub.engine.names import (
    ANNOTATION_FAILURE,
    ANNOTATION_PROGRESS,
    ANNOTATION_REBUILD,
    BUILD_NAMESPACE,
    LABEL_GPU_ARCH,
    LABEL_INJECT,
    LABEL_POOL,
    LABEL_WAITING,
    RELEASE_NAMESPACE,
    SCHEDULING_GATE,
)
from ignition_hub.engine.naming import StorePaths
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES
from ignition_hub.engine.request import BuildRequest
from ignition_hub.engine.store_findings import StoreReason
from ignition_hub.kube import ENGINES, JOBS, NODES, PODS, POOLS, STORES, Conflict, Invalid, NotFound, Object
from ignition_hub.ttl_cache import TtlCache
from job_controller import ended, request_of
from memorykube import Change, Faults, MemoryApi, MemoryKube

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


class Walk:
    """One walk; ``trail`` says what was done."""

    def __init__(self, seed: int, api: Any = None) -> None:
        self.chance = random.Random(seed)
        self.watches_suffice = seed % 2 == 0
        """Whether everything that changes is in the cluster, so that no resync is needed."""
        store = FakeStore(models={MODEL_URI: b"a model", OTHER_URI: b"another"})
        resync = 1e9 if self.watches_suffice else 600.0
        self.site = Site(self.chance, WalkWorld(store), resync, api)
        self.player = Player(self.site)
        self.trail: list[str] = []
        self.transitions: Counter[tuple[str, str]] = Counter()
        self.events: Counter[tuple[str, str]] = Counter()
        self.serial = 0
        self.overfull: list[str] = []
        self.limits: dict[str, list[tuple[float, int]]] = {}

    def begin(self) -> None:
        """Make one pool, one store and a node with each GPU; there is nothing else."""
        for arch in ARCHS:
            labels = {LABEL_GPU_ARCH: arch}
            self.site.api.create(NODES, {"metadata": {"name": node_of(arch), "labels": labels}}, None)
        self._create_pool("rtx")
        self._create_store()

    def step(self) -> None:
        """Do something random; what the schema refuses was tried."""
        doing = self.chance.choice([*EDITS, *(() if self.watches_suffice else WORLDLY)])
        try:
            said = doing(self)
        except Invalid as refusal:
            said = f"refused: {refusal.message[:200]}"
        if said is not None:
            self.trail.append(f"{doing.__name__.strip('_')} {said}")

    async def live(self, steps: int) -> None:
        """Do ``steps`` random things to a controller at work, which may be killed after any of them."""
        self.site.api.told = self._hear
        self.begin()
        self.site.start()
        if self.chance.random() < 0.5:
            self.site.api.faults = Faults(of_requests=0.05, of_watches=0.02)
        for _ in range(steps):
            self.step()
            if self.chance.random() < 0.08:
                await self.site.restart()
                self.trail.append("restart")
            await asyncio.sleep(self.chance.choice(PAUSES))
            self.trail.append(f"at {self.site.wall() - EPOCH:.1f} s")
        self.site.api.faults = Faults()
        self.site.world.trouble = None

    async def rest(self, seconds: float = REST) -> Counter[str]:
        """Let ``seconds`` pass; return what was written meanwhile."""
        before = self.site.writes()
        await asyncio.sleep(seconds)
        return self.site.writes() - before

    async def finish(self, seconds: float = 2 * REST) -> None:
        """Have every build end as it deserves, until ``seconds`` have passed."""
        until = self.site.wall() + seconds
        while self.site.wall() < until:
            for job in self.player.at_work():
                self.player.end(job)
            await asyncio.sleep(self.chance.uniform(5.0, 20.0))

    def ask_again(self) -> None:
        """Answer every failure and every pin of a version, as people do: a new spec, another rebuild."""
        for body in self.site.api.all_of(ENGINES):
            metadata = body["metadata"]
            patch = {
                "metadata": {"annotations": {ANNOTATION_REBUILD: f"last-{self.serial}"}},
                "spec": {"build": {"timeout": "5h"}},
            }
            self.site.api.patch(ENGINES, metadata["name"], patch, metadata["namespace"], None)

    def engines(self) -> dict[str, Object]:
        return {_name(body): body for body in self.site.api.all_of(ENGINES)}

    def _hear(self, plural: str, change: Change) -> None:
        if plural == "events" and change.after:
            event = change.after
            target = event["note"].partition(":")[0]
            self.events[f"{event['regarding']['uid']}/{target}", event["reason"]] += 1
        if plural == "tensorrtengines" and change.after:
            self._note_transitions(change.before or {}, change.after)
        if plural == "jobs" and change.after and not change.before:
            self._check_limit(change.after)
            delay = self.chance.uniform(0.5, 15.0)
            asyncio.get_running_loop().call_later(delay, self.player.begin, change.after)

    def _note_transitions(self, before: Object, after: Object) -> None:
        was = _states(before)
        for name, state in _states(after).items():
            if was.get(name) != state:
                self.transitions[f"{after['metadata']['uid']}/{name}", state] += 1

    def _check_limit(self, job: Object) -> None:
        pool = job["metadata"]["labels"][LABEL_POOL]
        body = self.site.api.objects.get(("buildpools", "", pool))
        if body is None or self.site.api.faults.of_requests:
            return  # a request whose answer was lost may have made a Job that is not known yet
        jobs = [one for one in self.site.api.all_of(JOBS) if one["metadata"]["labels"][LABEL_POOL] == pool]
        running = sum(not one["status"].get("conditions") for one in jobs)
        limits = [limit for at, limit in self.limits.get(pool, []) if at > self.site.wall() - 5.0]
        limits.append(body["spec"]["maxConcurrentBuilds"])
        if running > max(limits):
            now = f"{self.site.wall() - EPOCH:.1f}"
            self.overfull.append(f"{now} {running} Jobs in pool {pool}, which may have {limits}")

    # What people do.

    def _create_store(self) -> None:
        secret = {"credentialsSecretRef": {"name": "engine-store"}}
        spec = {"s3": {"endpoint": "https://s3.example.com", "bucket": "engines", **secret}}
        self.site.api.create(STORES, {"metadata": {"name": "default"}, "spec": spec}, None)

    def _create_pool(self, name: str) -> str | None:
        if ("buildpools", "", name) in self.site.api.objects:
            return None
        builds = self.chance.choice([1, 2, 100])
        auto_build = self._auto_build()
        more = {"autoBuild": auto_build} if auto_build else {}
        body = make_pool(name, builds=builds, **self._pool_spec(), **more)
        self.site.api.create(POOLS, body, None)
        return f"{name} {builds} {body['spec']['runtimes'][0]['version']}"

    def _pool_spec(self) -> dict[str, Any]:
        archs = sorted(self.chance.sample(ARCHS[:4] + ARCHS[5:], self.chance.randint(2, 5)))
        versions = self.chance.sample(VERSIONS, self.chance.randint(1, 2))
        runtimes = [{"flavor": "TensorRTRTX", "version": version, "image": IMAGE} for version in versions]
        return {"aheadOfTime": {"archs": archs}, "runtimes": runtimes}

    def _auto_build(self) -> Object | None:
        """Return for whom a pool builds by itself; nothing reaches its limits: the order is no matter."""
        namespaces = self.chance.choice([None, ["*"], ["*"], [TEAMS[0]]])
        return namespaces and {"namespaces": namespaces, "maxTargetsPerNamespace": 100, "maxTargets": 100}

    def _engine(self) -> Object | None:
        bodies = self.site.api.all_of(ENGINES)
        return self.chance.choice(bodies) if bodies else None

    def _edit(self, patch: Object) -> str | None:
        body = self._engine()
        if body is None:
            return None
        metadata = body["metadata"]
        self.site.api.patch(ENGINES, metadata["name"], patch, metadata["namespace"], None)
        return f"{_name(body)} {json.dumps(patch)}"

    def _targets(self) -> list[Object]:
        archs = self.chance.sample(ARCHS, self.chance.choice([1, 1, 2, 3]))
        levels = ["SameComputeCapability"] * 3 + ["AmperePlus"]
        return [{"gpuArch": arch, "compatibility": self.chance.choice(levels)} for arch in archs]

    def _job(self) -> Object | None:
        jobs = self.player.at_work()
        return self.chance.choice(jobs) if jobs else None


def _apply_engine(walk: Walk) -> str | None:
    namespace, name = walk.chance.choice(TEAMS), walk.chance.choice(NAMES)
    if ("tensorrtengines", namespace, name) in walk.site.api.objects:
        return None
    spec = {"targets": walk._targets(), "suspend": walk.chance.random() < 0.1}
    body = make_engine(name, namespace, **spec)
    walk.site.api.create(ENGINES, body, namespace)
    return f"{namespace}/{name} {json.dumps(spec)}"


def _delete_engine(walk: Walk) -> str | None:
    if (body := walk._engine()) is None:
        return None
    walk.site.api.delete(ENGINES, body["metadata"]["name"], body["metadata"]["namespace"])
    return _name(body)


def _delete_and_apply_again(walk: Walk) -> str | None:
    if (body := walk._engine()) is None:
        return None
    namespace = body["metadata"]["namespace"]
    walk.site.api.delete(ENGINES, body["metadata"]["name"], namespace)
    again = {"metadata": {"name": body["metadata"]["name"]}, "spec": copy.deepcopy(body["spec"])}
    walk.site.api.create(ENGINES, again, namespace)
    return _name(body)


def _change_targets(walk: Walk) -> str | None:
    return walk._edit({"spec": {"targets": walk._targets()}})


def _change_precision(walk: Walk) -> str | None:
    return walk._edit({"spec": {"precision": walk.chance.choice(["fp32", "fp16", "bf16"])}})


def _change_options(walk: Walk) -> str | None:
    return walk._edit({"spec": {"options": {"optimizationLevel": walk.chance.randint(2, 4)}}})


def _change_profiles(walk: Walk) -> str | None:
    most = walk.chance.choice([1, 8])
    shapes = {"data": {"min": [1, 3], "opt": [most, 3], "max": [most, 3]}}
    return walk._edit({"spec": {"profiles": walk.chance.choice([[], [{"shapes": shapes}]])}})


def _change_version(walk: Walk) -> str | None:
    asked = walk.chance.choice([None, {"version": "1.7"}, {"version": "1.6"}, {"flavor": "TensorRTRTX"}])
    return walk._edit({"spec": {"tensorrt": asked}})


def _change_model(walk: Walk) -> str | None:
    uri = walk.chance.choice([MODEL_URI, MODEL_URI, OTHER_URI, "s3://models/missing.onnx"])
    sha256 = walk.chance.choice(
        [None, hashlib.sha256(walk.site.world.bucket.models.get(uri, b"")).hexdigest()]
    )
    return walk._edit({"spec": {"model": {"source": {"uri": uri, "sha256": sha256}}}})


def _change_patience(walk: Walk) -> str | None:
    build = {"timeout": walk.chance.choice(["1h", "2h"]), "retries": walk.chance.choice([0, 2])}
    return walk._edit({"spec": {"build": build}})


def _suspend(walk: Walk) -> str | None:
    return walk._edit({"spec": {"suspend": walk.chance.random() < 0.5}})


def _ask_for_a_rebuild(walk: Walk) -> str | None:
    walk.serial += 1
    return walk._edit({"metadata": {"annotations": {ANNOTATION_REBUILD: f"r{walk.serial}"}}})


def _label(walk: Walk) -> str | None:
    walk.serial += 1
    return walk._edit({"metadata": {"labels": {"touched": f"t{walk.serial}"}}})


def _add_a_pool(walk: Walk) -> str | None:
    return walk._create_pool(walk.chance.choice(["rtx", "second"]))


def _remove_a_pool(walk: Walk) -> str | None:
    pools = walk.site.api.all_of(POOLS)
    if not pools or (len(pools) < 2 and walk.chance.random() < 0.5):
        return None
    name = walk.chance.choice(pools)["metadata"]["name"]
    walk.site.api.delete(POOLS, name, None)
    return str(name)


def _change_a_pool(walk: Walk) -> str | None:
    pools = walk.site.api.all_of(POOLS)
    if not pools:
        return None
    body = walk.chance.choice(pools)
    name = body["metadata"]["name"]
    builds = {"maxConcurrentBuilds": walk.chance.choice([0, 1, 2, 100])}
    spec = walk.chance.choice([builds, builds, walk._pool_spec(), {"autoBuild": walk._auto_build()}])
    walk.limits.setdefault(name, []).append((walk.site.wall(), body["spec"]["maxConcurrentBuilds"]))
    walk.site.api.patch(POOLS, name, {"spec": spec}, None, None)
    return f"{name} {json.dumps(spec)}"


def _take_the_store_away(walk: Walk) -> str | None:
    if walk.site.world.trouble is not None:
        return None
    walk.site.world.trouble = TransientError(Reason.StoreUnavailable, "s3.example.com does not answer")
    return ""


def _bring_the_store_back(walk: Walk) -> str | None:
    if walk.site.world.trouble is None:
        return None
    walk.site.world.trouble = None
    return ""


def _end_a_job(walk: Walk) -> str | None:
    if (job := walk._job()) is None:
        return None
    walk.player.end(job)
    return str(job["metadata"]["name"])


def _fail_a_job(walk: Walk) -> str | None:
    if (job := walk._job()) is None:
        return None
    reason, code, why = walk.chance.choice(
        [
            ("UnsupportedOperator", 11, "PodFailurePolicy"),
            ("BuildFailed", 18, "PodFailurePolicy"),
            ("BuildFailed", 30, "BackoffLimitExceeded"),
            ("BuildFailed", 1, "DeadlineExceeded"),
        ]
    )
    walk.player.fail(job, reason, code, why)
    return f"{job['metadata']['name']} {why}"


def _move_a_job_on(walk: Walk) -> str | None:
    if (job := walk._job()) is None:
        return None
    walk.player.tell_progress(job, walk.chance.randint(0, 100))
    return str(job["metadata"]["name"])


def _lose_a_job(walk: Walk) -> str | None:
    if not (jobs := walk.site.api.all_of(JOBS)):
        return None
    job = walk.chance.choice(jobs)
    walk.site.api.delete(JOBS, job["metadata"]["name"], BUILD_NAMESPACE)
    return f"{job['metadata']['name']} {state_of(job)}"


def _gate_a_pod(walk: Walk) -> str | None:
    walk.serial += 1
    namespace = walk.chance.choice(TEAMS)
    engines = ",".join(walk.chance.sample(NAMES, walk.chance.choice([1, 1, 2])))
    walk.site.api.create(PODS, gated_pod(f"pod-{walk.serial}", engines), namespace)
    return f"{namespace} {engines}"


def _run_a_pod(walk: Walk) -> str | None:
    walk.serial += 1
    namespace, name = walk.chance.choice(TEAMS), walk.chance.choice(NAMES)
    if (engine := walk._engine()) and walk.chance.random() < 0.8:
        namespace, name = engine["metadata"]["namespace"], engine["metadata"]["name"]
    arch = walk.chance.choice(ARCHS)
    walk.site.api.create(PODS, placed_pod(f"pod-{walk.serial}", name, arch), namespace)
    return f"{namespace}/{name} on {node_of(arch)}"


def _end_a_pod(walk: Walk) -> str | None:
    pods = [body for body in walk.site.api.all_of(PODS) if body["spec"].get("nodeName")]
    if not pods:
        return None
    metadata = walk.chance.choice(pods)["metadata"]
    walk.site.api.delete(PODS, metadata["name"], metadata["namespace"])
    return str(metadata["name"])


def _put_another_gpu_into_a_node(walk: Walk) -> str | None:
    node, arch = walk.chance.choice(ARCHS), walk.chance.choice(ARCHS)
    patch = {"metadata": {"labels": {LABEL_GPU_ARCH: arch}}}
    walk.site.api.patch(NODES, node_of(node), patch, None, None)
    return f"{node_of(node)} {arch}"


def _change_the_models_bytes(walk: Walk) -> str | None:
    uri = walk.chance.choice([MODEL_URI, OTHER_URI])
    data = walk.chance.choice([b"a model", b"changed", None])
    models = walk.site.world.bucket.models
    if data is None:
        models.pop(uri, None)
    else:
        models[uri] = data
    return f"{uri} {data!r}"


def _lose_an_engine(walk: Walk) -> str | None:
    manifests = walk.site.world.bucket.manifests
    if not manifests:
        return None
    identity = walk.chance.choice(sorted(manifests))
    del manifests[identity]
    return identity[:16]


def _change_rights(walk: Walk) -> str | None:
    pair = (walk.chance.choice(TEAMS), MODEL_URI)
    walk.site.world.bucket.forbidden ^= {pair}
    return str(pair)


Doing = Callable[[Walk], str | None]

EDITS: tuple[Doing, ...] = (
    *(_apply_engine,) * 4,
    _delete_engine,
    _delete_and_apply_again,
    *(_change_targets,) * 2,
    _change_precision,
    _change_options,
    _change_profiles,
    _change_version,
    _change_model,
    _change_patience,
    _suspend,
    _ask_for_a_rebuild,
    _label,
    _add_a_pool,
    _remove_a_pool,
    *(_change_a_pool,) * 2,
    _take_the_store_away,
    *(_bring_the_store_back,) * 3,
    *(_end_a_job,) * 5,
    *(_fail_a_job,) * 2,
    _move_a_job_on,
    _lose_a_job,
    *(_gate_a_pod,) * 2,
    *(_run_a_pod,) * 4,
    _end_a_pod,
    _put_another_gpu_into_a_node,
)
"""Of a cluster: the watches tell all of it."""

WORLDLY: tuple[Doing, ...] = (_change_the_models_bytes, _lose_an_engine, _change_rights)
"""Of the bucket, which no watch tells: the resync finds it."""


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


def _name(body: Object) -> str:
    return f"{body['metadata']['namespace']}/{body['metadata']['name']}"


def _states(body: Object) -> dict[str, str]:
    return {one["name"]: one["state"] for one in (body.get("status") or {}).get("targets") or []}
