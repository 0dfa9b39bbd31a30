"""
What a crowd costs the gateway, and what it costs the others who ask: admission and resolve under load.

A real API server calls the webhook, a real S3 server has the engine, and the gateway runs as the chart runs
it: one process for pods, one for admission. With ``--before`` the same is measured with the gateway of
another checkout, in the same run, on the same API server and bucket.

    python tests/bench/bench_gateway.py [--before CHECKOUT] [--pods 500] [--seconds 5]

CPU is that of the gateway's processes for each one served, as the kernel has it: the figure that a busy
machine changes least.

Rows: pods created a second by dry run, beside pods that no webhook sees, which is the floor; resolves over
kept connections; ``--pods`` init containers that ask at once, each over its own connection, as the
fetcher does; then the first two again while 256 clients send tokens of nobody. All of it stays on the
loopback and ends by itself.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import os
import ssl
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cluster"))

from conftest import CRDS, Api, client_tls

from gateway_harness import Hub, apply_engine, make_request, make_team, plan, ready_target, running_hub
from gatewayprocess import Gateway, running_gateway
from ignition_hub.wire.back_off import BackOff
from localcluster import ControlPlane

JUNK = 256
JUNK_PAUSE = 0.5
"""Seconds between two requests of one client: with all of them about 500 requests a second."""
CALL_SECONDS = 20.0
FETCHER_GIVES_UP = 120.0
PAUSES = BackOff(first=0.5, longest=15.0)
HEADER = "{:48} served failed   p50 ms   p99 ms worst ms   CPU ms"
WEBHOOK = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


@dataclass(frozen=True)
class Side:
    """A gateway under test: who serves pods, and who the API server asks."""

    name: str
    pods: Gateway
    admission: Gateway

    def cpu(self) -> float:
        """Return the seconds of CPU that its processes have taken."""
        ids = {gateway.process.pid for gateway in (self.pods, self.admission)}
        fields = [Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split() for pid in ids]
        return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cluster:
    """Where the load goes: the API server and the namespace with its engine and tokens."""

    server: str
    tls: ssl.SSLContext
    team: str
    tokens: tuple[str, ...]


class Row:
    """Seconds of one measurement."""

    def __init__(self, name: str, seconds: list[float], failed: int) -> None:
        self.name, self.seconds, self.failed = name, sorted(seconds), failed
        self.cpu = 0.0

    def at(self, share: float) -> float:
        """Return the seconds that this share of all stayed within."""
        last = len(self.seconds) - 1
        return self.seconds[min(last, int(share * len(self.seconds)))] if self.seconds else float("inf")

    def __str__(self) -> str:
        figures = [f"{1000 * figure:8.1f}" for figure in (self.at(0.5), self.at(0.99), self.at(1.0))]
        cpu = 1000 * self.cpu / max(1, len(self.seconds))
        return f"  {self.name:46} {len(self.seconds):6} {self.failed:6} {' '.join(figures)} {cpu:8.2f}"


async def at_a_pace(call: Callable[[int], Awaitable[bool]], rate: float, seconds: float, name: str) -> Row:
    """Call at fixed moments, however late the earlier answers are; measured from the moment it was due."""
    took: list[float] = []
    failed = 0
    start = time.perf_counter()

    async def one(number: int) -> None:
        nonlocal failed
        due = start + number / rate
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        if await call(number):
            took.append(time.perf_counter() - due)
        else:
            failed += 1

    await asyncio.gather(*(one(number) for number in range(int(rate * seconds))))
    return Row(name, took, failed)


class Load:
    """One side, asked."""

    def __init__(self, cluster: Cluster, side: Side, session: aiohttp.ClientSession) -> None:
        self._cluster, self._side, self._session = cluster, side, session
        self._gateway = ssl.create_default_context(cafile=str(side.pods.folder / "tls.crt"))

    async def create_pod(self, number: int, *, labelled: bool = True) -> bool:
        metadata = {
            "name": f"p{number}",
            "labels": {"ignitionhub.io/inject": str(labelled).lower()},
            "annotations": {"ignitionhub.io/engines": "resnet50"},
        }
        spec = {"serviceAccountName": "default", "containers": [{"name": "main", "image": "none"}]}
        pod = {"metadata": metadata, "spec": spec}
        url = f"{self._cluster.server}/api/v1/namespaces/{self._cluster.team}/pods?dryRun=All"
        async with self._session.post(url, json=pod, ssl=self._cluster.tls) as answer:
            body = await answer.json()
        if labelled and os.environ.get("DBG"):
            print(str(body)[:600])
        injected = bool(body.get("spec", {}).get("initContainers"))
        return answer.status == 201 and injected == labelled

    async def resolve(self, token: str, session: aiohttp.ClientSession | None = None) -> int:
        url = f"https://127.0.0.1:{self._side.pods.port}/v1/engines/resnet50/resolve"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with (session or self._session).post(
                url, json={}, headers=headers, ssl=self._gateway
            ) as answer:
                await answer.read()
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return 0

    async def fetch(self, token: str) -> bool:
        """Ask as the fetcher does until there is an answer; tell whether one came in time."""
        ends, attempt = time.perf_counter() + FETCHER_GIVES_UP, 0
        while time.perf_counter() < ends:
            timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(), timeout=timeout) as session:
                if await self.resolve(token, session) == 200:
                    return True
            attempt += 1
            await asyncio.sleep(PAUSES.delay(attempt))
        return False

    async def herd(self) -> list[Row]:
        """Start a fetcher for every token at once, and create pods meanwhile."""
        start = time.perf_counter()
        took: list[float] = []

        async def one(token: str) -> None:
            if await self.fetch(token):
                took.append(time.perf_counter() - start)

        fetchers = asyncio.gather(*(one(token) for token in self._cluster.tokens))
        admissions = asyncio.create_task(
            at_a_pace(self.create_pod, 10, 5.0, "  pods created meanwhile, 10/s")
        )
        await fetchers
        count = len(self._cluster.tokens)
        return [Row(f"{count} fetchers at once, until served", took, count - len(took)), await admissions]

    @contextlib.asynccontextmanager
    async def junk(self) -> AsyncIterator[None]:
        """Have clients send tokens of nobody until the block ends."""
        segment = (
            base64.urlsafe_b64encode(json.dumps({"alg": "RS256", "kid": "x"}).encode()).decode().rstrip("=")
        )

        async def one(number: int) -> None:
            connector = aiohttp.TCPConnector(limit=1)
            timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                for turn in range(1_000_000):
                    await self.resolve(f"{segment}.{segment}.{number}x{turn}", session)
                    await asyncio.sleep(JUNK_PAUSE)

        tasks = [asyncio.create_task(one(number)) for number in range(JUNK)]
        await asyncio.sleep(1.0)
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def measured(cluster: Cluster, side: Side, seconds: float) -> list[Row]:
    """Return the rows of one side."""
    connector = aiohttp.TCPConnector(limit=200)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
        load = Load(cluster, side, session)
        tokens = cluster.tokens[:100]

        async def resolve(number: int) -> bool:
            return await load.resolve(tokens[number % len(tokens)]) == 200

        async def unlabelled(number: int) -> bool:
            return await load.create_pod(number, labelled=False)

        async def paced(call: Callable[[int], Awaitable[bool]], rate: float, name: str) -> Row:
            before = side.cpu()
            row = await at_a_pace(call, rate, seconds, name)
            row.cpu = side.cpu() - before
            return row

        rows = await load.herd()
        for token in tokens:
            await load.resolve(token)
        rows.append(await paced(unlabelled, 100, "pods created that no webhook sees, 100/s"))
        rows.append(await paced(load.create_pod, 100, "pods created with engines, 100/s"))
        rows.append(await paced(resolve, 200, "resolves, 200/s"))
        async with load.junk():
            rows.append(await paced(load.create_pod, 100, f"pods created, {JUNK} junk clients"))
            rows.append(await paced(resolve, 200, f"resolves, {JUNK} junk clients"))
    return rows


def webhook(api: Api, side: Side) -> None:
    """Have the API server ask this side about pods."""
    authority = base64.b64encode((side.admission.folder / "tls.crt").read_bytes()).decode()
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
        "clientConfig": {"url": f"https://127.0.0.1:{side.admission.port}/mutate", "caBundle": authority},
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


@contextmanager
def imported_from(checkout: Path | None) -> Iterator[None]:
    """Have processes that are started import the product of another checkout."""
    if checkout is None:
        yield
        return
    os.environ["PYTHONPATH"] = str(checkout / "operator")
    try:
        yield
    finally:
        del os.environ["PYTHONPATH"]


def published(hub: Hub) -> str:
    """Publish an engine for a new team and return the team."""
    team = make_team(hub)
    request = make_request(hub, team)
    builder = hub.builder(hub.job(request))
    done = hub.complete(builder, hub.upload(builder, plan()))
    apply_engine(hub, team, [ready_target(hub, request, done.body)])
    return team


def sides(plane: ControlPlane, folder: Path, before: Path | None) -> Iterator[Side]:
    """Yield the gateways to measure; each runs until the next is asked for."""
    if before:
        with imported_from(before), running_gateway(plane.kubeconfig, folder) as gateway:
            yield Side("before", gateway, gateway)
    with (
        running_gateway(plane.kubeconfig, folder, "--serve=pods") as pods,
        running_gateway(plane.kubeconfig, folder / "admission", "--serve=admission") as admission,
    ):
        yield Side("now", pods, admission)


def run(options: argparse.Namespace, plane: ControlPlane, api: Api) -> None:
    """Measure each side on one control plane and print its rows."""
    folder = Path(tempfile.mkdtemp(prefix="bench-gateway-"))
    tls = client_tls(json.loads(plane.kubeconfig.read_text()))
    with running_hub(plane, api, folder) as hub:
        team = published(hub)
        print(f"making {options.pods} pods with tokens", flush=True)
        tokens = tuple(hub.token(team, pod=hub.pod(team)) for _ in range(options.pods))
        hub.gateway.stop()
        with closing(sides(plane, folder, options.before)) as running:
            for side in running:
                webhook(api, side)
                cluster = Cluster(plane.server, tls, team, tokens)
                rows = asyncio.run(measured(cluster, side, options.seconds))
                print(
                    f"{side.name:48} {'served':>6} {'failed':>6} {'p50 ms':>8} {'p99 ms':>8} {'worst ms':>8}"
                )
                print("\n".join(map(str, rows)), flush=True)


def main() -> int:
    """Measure, print, and return 0."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--before", type=Path, help="checkout whose gateway is measured first")
    parser.add_argument("--pods", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    with ControlPlane.start() as plane:
        plane.kubectl("apply", "--server-side", "-f", str(CRDS))
        plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        with closing(Api(plane.server, client_tls(json.loads(plane.kubeconfig.read_text())))) as api:
            run(options, plane, api)
    return 0


if __name__ == "__main__":
    sys.exit(main())
