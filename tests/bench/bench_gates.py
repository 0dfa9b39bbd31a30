"""
How long pods wait once their engine is ready, and what is lost when a replica is killed in the middle.

A real API server asks a real admission process about every pod, and the pods' engine is not built yet. Then
its Job completes, and the controller, a process of its own with the brakes of an installation, writes the
status and lifts the gates. Seconds are from the engine's status, as a watch brings it, to each pod's gate.

    python tests/bench/bench_gates.py [--pods 1000] [--fetchers 200] [--only gates|kill|replicas]

``gates``: one controller. The floor is the same patches of as many pods, sent by the official ``kubernetes``
client as many at a time, without a brake. ``kill``: two controllers, and the one that leads is killed
(SIGKILL) when a third of the gates is lifted; the other takes the Lease when it has expired, after 15 s.

``replicas``: two of each process of the gateway behind a balancer that, as a Service does, asks a process
that was killed for ``--noticed`` more seconds. ``--fetchers`` init containers ask by the product's own code
while pods are created by what creates again as a ReplicaSet does; in the middle one of each is killed.
"""

import argparse
import asyncio
import base64
import contextlib
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import uuid4

from kubernetes.aio import client as official
from kubernetes.aio import config as official_config

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))

from bench_controller import running
from bench_gateway import published
from conftest import Api, client_tls

import job_controller
from balancer import Balancer
from controller_harness import plane_of_its_own
from fakeworld import MODEL_URI, make_engine, make_pool
from gateway_harness import running_hub
from gatewayprocess import Gateway, running_gateway
from ignition_hub.compatibility.placement import release_of
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget, view_of
from ignition_hub.controller.app import POD_WORKERS
from ignition_hub.engine import environment
from ignition_hub.engine.names import BUILD_NAMESPACE, LABEL_WAITING
from ignition_hub.fetch.errors import FetchError
from ignition_hub.fetch.gateway import resolve
from ignition_hub.fetch.settings import FetchSettings
from ignition_hub.kube import ENGINES, JOBS, NAMESPACES, PODS, POOLS, Kube, Object, RateLimiter, path_of
from ignition_hub.wire.back_off import BackOff
from ignition_hub.wire.deadline import Deadline
from localcluster import ControlPlane

HERE = Path(__file__).resolve().parent
CONTROLLER = [sys.executable, str(HERE / "controller_process.py"), "--paced"]
AT_ONCE = 32
TO_LEAD = 60.0
TO_RELEASE = 120.0
WEBHOOK = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
T = TypeVar("T")
READY = EngineView(
    "engine", (ReadyTarget("sm_86", None, "SameComputeCapability", "TensorRTRTX"),), is_settled=True
)
REPLICA_SET = BackOff(first=0.05, longest=5.0)
"""Pauses of what creates pods; a ReplicaSet begins with 5 ms."""


def pod(name: str, engine: str = "engine") -> Object:
    """Return a pod as its author writes it."""
    return {
        "metadata": {
            "name": name,
            "labels": {"ignitionhub.io/inject": "true"},
            "annotations": {"ignitionhub.io/engines": engine},
        },
        "spec": {
            "serviceAccountName": "default",
            "containers": [{"name": "main", "image": "none"}],
        },
    }


def register_webhook(api: Api, port: int, authority: bytes) -> None:
    """Have the API server ask about pods as the chart says: fail closed, within 5 s."""
    hook = {
        "name": "inject.ignitionhub.io",
        "admissionReviewVersions": ["v1"],
        "rules": [
            {"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"], "operations": ["CREATE"]}
        ],
        "objectSelector": {"matchLabels": {"ignitionhub.io/inject": "true"}},
        "sideEffects": "None",
        "timeoutSeconds": 5,
        "failurePolicy": "Fail",
        "clientConfig": {
            "url": f"https://127.0.0.1:{port}/mutate",
            "caBundle": base64.b64encode(authority).decode(),
        },
    }
    api.ask("DELETE", f"{WEBHOOK}/ignition-hub")
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "ignition-hub"},
        "webhooks": [hook],
    }
    answer = api.ask("POST", WEBHOOK, body)
    assert answer.status == 201, answer.message
    time.sleep(2.0)  # the API server reads webhooks from a watch of its own


@dataclass(frozen=True)
class Figures:
    """Seconds of one run, sorted."""

    what: str
    seconds: list[float]

    def __str__(self) -> str:
        last = len(self.seconds) - 1
        p50, p99 = (self.seconds[int(share * last)] for share in (0.5, 0.99))
        worst = self.seconds[-1]
        return f"{self.what:48} {last + 1:6}   p50 {p50:6.2f}   p99 {p99:6.2f}   worst {worst:6.2f} s"


class Watched:
    """What a watch of the bench's own brought, and when."""

    def __init__(self, kube: Kube, namespace: str, count: int) -> None:
        self._kube, self._namespace, self._count = kube, namespace, count
        self.ready = 0.0
        self.lifted: dict[str, float] = {}
        self.all_lifted = asyncio.Event()
        self.some_lifted = asyncio.Event()

    @contextlib.asynccontextmanager
    async def following(self) -> AsyncIterator["Watched"]:
        tasks = [asyncio.create_task(self._engines()), asyncio.create_task(self._pods())]
        await asyncio.sleep(1.0)
        try:
            yield self
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _engines(self) -> None:
        async for _, body in self._kube.watch(ENGINES, "", self._namespace):
            if body.get("status") and view_of(body).ready and not self.ready:
                self.ready = time.monotonic()

    async def _pods(self) -> None:
        # A pod whose label is gone has left this watch.
        async for event, body in self._kube.watch(PODS, "", self._namespace, f"{LABEL_WAITING}=true"):
            if event == "DELETED":
                self.lifted[body["metadata"]["name"]] = time.monotonic()
                if len(self.lifted) >= self._count / 3:
                    self.some_lifted.set()
                if len(self.lifted) >= self._count:
                    self.all_lifted.set()

    def figures(self, what: str) -> Figures:
        return Figures(what, sorted(at - self.ready for at in self.lifted.values()))


async def at_once(calls: list[Callable[[], Awaitable[object]]], most: int) -> None:
    """Await all, so many at a time."""
    gate = asyncio.Semaphore(most)

    async def one(call: Callable[[], Awaitable[object]]) -> None:
        async with gate:
            await call()

    await asyncio.gather(*(one(call) for call in calls))


class Gates:
    """One API server with its admission process, and the runs on it."""

    def __init__(self, kube: Kube, count: int) -> None:
        self._kube, self._count = kube, count

    async def begin(self) -> str:
        """Make a namespace with an engine and pods that wait for it; return its name."""
        namespace = f"bench-{uuid4().hex[:8]}"
        await self._kube.create(NAMESPACES, {"metadata": {"name": namespace}})
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts"
        await self._kube.send("POST", account, body={"metadata": {"name": "default"}})
        model = {"name": namespace, "version": "v1", "source": {"uri": MODEL_URI}}
        await self._kube.create(ENGINES, make_engine("engine", namespace, model=model), namespace)
        names = [f"pod-{number}" for number in range(self._count)]
        started = time.monotonic()
        await at_once([partial(self._kube.create, PODS, pod(name), namespace) for name in names], AT_ONCE)
        waiting = await self._kube.list(PODS, namespace, f"{LABEL_WAITING}=true")
        assert len(waiting) == self._count, f"{len(waiting)} of {self._count} pods are gated"
        print(f"  {self._count} pods gated by admission in {time.monotonic() - started:.1f} s", flush=True)
        return namespace

    async def _job(self, namespace: str) -> Object | None:
        jobs = await self._kube.list(JOBS, BUILD_NAMESPACE)
        return next((job for job in jobs if job_controller.request_of(job).namespace == namespace), None)

    async def lifted(self, what: str, between: Callable[[Watched], Awaitable[None]] | None = None) -> Figures:
        """Complete the engine's Job and return when each gate was lifted."""
        namespace = await self.begin()
        job = await job_controller.eventually(lambda: self._job(namespace))
        async with Watched(self._kube, namespace, self._count).following() as watched:
            await job_controller.complete(self._kube, job)
            if between:
                await between(watched)
            await asyncio.wait_for(watched.all_lifted.wait(), TO_RELEASE)
        await self._require_lifted(namespace)
        return watched.figures(what)

    async def floor(self) -> Figures:
        """Send the same patches of as many pods by the official client, as many at a time as the product."""
        namespace = await self.begin()
        pods = await self._kube.list(PODS, namespace)
        configuration = official.Configuration()
        await official_config.load_kube_config(os.environ["KUBECONFIG"], client_configuration=configuration)
        configuration.connection_pool_maxsize = POD_WORKERS
        seconds: list[float] = []
        async with official.ApiClient(configuration) as connection:
            core = official.CoreV1Api(connection)
            started = time.monotonic()

            async def patch(body: Object) -> None:
                metadata = body["metadata"]
                await core.patch_namespaced_pod_without_preload_content(
                    metadata["name"],
                    metadata["namespace"],
                    release_of(body, [READY], now=0),
                    _content_type="application/merge-patch+json",
                )
                seconds.append(time.monotonic() - started)

            await at_once([partial(patch, body) for body in pods], POD_WORKERS)
        await self._require_lifted(namespace)
        return Figures("floor: the official client, no brake", sorted(seconds))

    async def _require_lifted(self, namespace: str) -> None:
        pods = await self._kube.list(PODS, namespace)
        gated = sum(bool(one["spec"].get("schedulingGates")) for one in pods)
        assert (len(pods), gated) == (self._count, 0), f"{gated} of {len(pods)} pods are still gated"
        for resource in (PODS, ENGINES):
            await self._kube.send("DELETE", path_of(resource, namespace=namespace))


async def connected(run: Callable[[Kube], Awaitable[T]]) -> T:
    """Run with a connection that no brake delays."""
    kube = await Kube.connect(limiter=RateLimiter(qps=10_000, burst=1000, in_flight=64))
    try:
        return await run(kube)
    finally:
        await kube.close()


def lift(count: int, times: int) -> Iterator[object]:
    """Yield how one controller lifts the gates, and the floor."""
    with running(CONTROLLER) as controller:
        controller.wait_for("leads", TO_LEAD)
        for _ in range(times):
            before = controller.cpu
            yield asyncio.run(connected(lambda kube: Gates(kube, count).lifted("one controller")))
            each = 1000 * (controller.cpu - before) / count
            yield f"  {each:.1f} ms of the controller's CPU for each pod, its watch of the creation included"
    yield asyncio.run(connected(lambda kube: Gates(kube, count).floor()))


def lift_while_the_leader_is_killed(count: int) -> Iterator[Figures]:
    """Yield how two controllers lift the gates of whom the one that leads is killed."""
    with running(CONTROLLER) as leader:
        leader.wait_for("leads", TO_LEAD)
        with running(CONTROLLER) as heir:
            heir.wait_for("watches", TO_LEAD)

            async def kill(watched: Watched) -> None:
                await watched.some_lifted.wait()
                leader.kill()
                print(f"  killed when {len(watched.lifted)} gates were lifted", flush=True)

            yield asyncio.run(connected(lambda kube: Gates(kube, count).lifted("the leader killed", kill)))


class Replicas:
    """Two of each process of the gateway, each pair behind a balancer."""

    def __init__(self, pods: Balancer, admission: Balancer, doomed: tuple[Gateway, Gateway]) -> None:
        self.pods, self.admission, self._doomed = pods, admission, doomed

    def kill_one_of_each(self, noticed: float) -> None:
        """Kill, and after so many seconds have it noticed."""
        for gateway in self._doomed:
            gateway.process.kill()
        time.sleep(noticed)
        for balancer, gateway in zip((self.pods, self.admission), self._doomed, strict=True):
            balancer.take_out(gateway.port)


@contextmanager
def two_of_each(plane: ControlPlane, folder: Path, like: Path) -> Iterator[Replicas]:
    """Run them until the block ends."""
    with contextlib.ExitStack() as stack:

        def gateway(role: str, number: int) -> Gateway:
            where = folder / f"{role}-{number}"
            return stack.enter_context(running_gateway(plane.kubeconfig, where, f"--serve={role}", like=like))

        pods, admission = ([gateway(role, number) for number in (0, 1)] for role in ("pods", "admission"))
        balancers = [
            stack.enter_context(Balancer.between(*(one.port for one in each))) for each in (pods, admission)
        ]
        yield Replicas(balancers[0], balancers[1], (pods[0], admission[0]))


@dataclass
class Served:
    """What became of the fetchers and the pods of one run; threads add to it."""

    fetched: list[float]
    attempts: int = 0
    admitted: int = 0
    created_again: int = 0
    unserved: int = 0


def fetch(port: int, authority: str, token_file: Path, served: Served) -> None:
    """Ask for the engine as the init container does, until it is there."""
    settings = FetchSettings.from_environment(
        {
            environment.GATEWAY_URL: f"https://127.0.0.1:{port}",
            environment.CA: authority,
            environment.TOKEN_FILE: str(token_file),
            environment.ENGINES: "engine=resnet50",
        }
    )
    started = time.monotonic()
    told: list[str] = []
    try:
        resolve("resnet50", settings, Deadline(TO_RELEASE), told.append)
    except FetchError as error:
        served.unserved += 1
        print(f"  a fetcher ended: {error}", flush=True)
    else:
        served.fetched.append(time.monotonic() - started)
    served.attempts += bool(told)


def create(api: Api, namespace: str, name: str, served: Served) -> None:
    """Create a pod, and again while the webhook is not reached, as a ReplicaSet does."""
    path = f"/api/v1/namespaces/{namespace}/pods"
    for attempt in range(1, 100):
        answer = api.ask("POST", path, pod(name, "resnet50"))
        if answer.status == http.client.CREATED:
            assert answer.body["spec"]["initContainers"], "it was not injected"
            served.admitted += 1
            return
        assert "failed calling webhook" in answer.message, answer.message
        served.created_again += 1
        time.sleep(REPLICA_SET.delay(attempt))


def serve_while_one_is_killed(
    plane: ControlPlane, api: Api, fetchers: int, pods: int, noticed: float
) -> Iterator[str]:
    """Yield what became of fetchers and pods while one replica of each process is killed."""
    folder = Path(tempfile.mkdtemp(prefix="bench-gates-"))
    with running_hub(plane, api, folder) as hub:
        team = published(hub)
        tokens = [folder / f"token-{number}" for number in range(fetchers)]
        for file in tokens:
            file.write_text(hub.token(team, pod=hub.pod(team)))
        authority = hub.gateway.folder / "tls.crt"
        with two_of_each(plane, folder, hub.gateway.folder) as replicas:
            hub.gateway.stop()
            register_webhook(api, replicas.admission.port, authority.read_bytes())
            yield from served_by(replicas, Crowd(plane, team, tokens, authority.read_text(), pods), noticed)


SPREAD = 4.0
"""Seconds over which fetchers and pods begin; the kill is in the middle."""


@dataclass(frozen=True)
class Crowd:
    """Who asks the replicas: fetchers, each with its token, and who creates pods in their namespace."""

    plane: ControlPlane
    team: str
    tokens: list[Path]
    authority: str
    pods: int

    def begin(self, threads: ThreadPoolExecutor, replicas: Replicas, served: Served) -> None:
        """Start them one after the other."""
        tls = client_tls(json.loads(self.plane.kubeconfig.read_text()))

        def one_pod(number: int) -> None:
            with closing(Api(self.plane.server, tls)) as mine:
                create(mine, self.team, f"new-{number}", served)

        started, most = time.monotonic(), max(len(self.tokens), self.pods)
        for number in range(most):
            time.sleep(max(0.0, started + SPREAD * number / most - time.monotonic()))
            if number < len(self.tokens):
                threads.submit(fetch, replicas.pods.port, self.authority, self.tokens[number], served)
            if number < self.pods:
                threads.submit(one_pod, number)


def served_by(replicas: Replicas, crowd: Crowd, noticed: float) -> Iterator[str]:
    """Let a crowd ask, kill, and yield what became of it."""
    served, count, started = Served([]), len(crowd.tokens), time.monotonic()
    killing = threading.Timer(SPREAD / 2, replicas.kill_one_of_each, (noticed,))
    killing.start()
    with ThreadPoolExecutor(max_workers=count + 64) as threads:
        crowd.begin(threads, replicas, served)
    took = time.monotonic() - started
    killing.join()
    fetched = Figures(f"{count} fetchers, one of two replicas killed", sorted(served.fetched))
    yield f"{fetched}; {served.unserved} not served, {served.attempts} had to ask again"
    yield (
        f"{crowd.pods} pods created meanwhile: {served.admitted} admitted, {served.created_again} creations"
        f" refused and repeated; all in {took:.1f} s; connections refused: {replicas.pods.refused} of"
        f" fetchers, {replicas.admission.refused} of the API server"
    )


async def make_pools(kube: Kube) -> None:
    """Make the pool."""
    await kube.create(POOLS, make_pool())


def main() -> int:
    """Measure what was asked for, print it, and return 0 if every bar was met."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pods", type=int, default=1000)
    parser.add_argument("--times", type=int, default=1)
    parser.add_argument("--fetchers", type=int, default=200)
    parser.add_argument("--noticed", type=float, default=2.0, help="seconds until a kill is noticed")
    parser.add_argument("--only", choices=["gates", "kill", "replicas"])
    options = parser.parse_args()
    with plane_of_its_own() as plane:
        tls = client_tls(json.loads(plane.kubeconfig.read_text()))
        folder = Path(tempfile.mkdtemp(prefix="bench-gates-"))
        with closing(Api(plane.server, tls)) as api:
            if options.only != "replicas":
                with running_gateway(plane.kubeconfig, folder, "--serve=admission") as admission:
                    register_webhook(api, admission.port, (folder / "tls.crt").read_bytes())
                    asyncio.run(connected(make_pools))
                    if options.only != "kill":
                        report(lift(options.pods, options.times))
                    if options.only != "gates":
                        report(lift_while_the_leader_is_killed(options.pods))
            if options.only in {None, "replicas"}:
                report(serve_while_one_is_killed(plane, api, options.fetchers, 200, options.noticed))
    return 0


def report(lines: Iterator[object]) -> None:
    """Print each as it comes."""
    for line in lines:
        print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
