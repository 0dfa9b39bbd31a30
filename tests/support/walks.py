"""
Random walks of a controller in memory: what everybody around it may do, in any order, and then quiet.

A walk edits specs, pools and the store, plays the Job controller and the gateway (``walksite``), kills the
controller and has requests and watches fail. Everything follows from the seed; ``walkmoves`` has the steps.
"""

import asyncio
import json
import random
from collections import Counter
from typing import Any

from fakeworld import IMAGE, MODEL_URI, FakeStore, make_pool
from ignition_hub.engine.names import (
    ANNOTATION_REBUILD,
    LABEL_GPU_ARCH,
    LABEL_POOL,
)
from ignition_hub.kube import ENGINES, JOBS, NODES, POOLS, STORES, Invalid, Object
from memorykube import Change, Faults
from walkmoves import EDITS, WORLDLY
from walksite import (
    ARCHS,
    EPOCH,
    OTHER_URI,
    PAUSES,
    REST,
    TEAMS,
    VERSIONS,
    Player,
    Site,
    WalkWorld,
    name_of,
    node_of,
)


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
        self.create_pool("rtx")
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
        return {name_of(body): body for body in self.site.api.all_of(ENGINES)}

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

    def create_pool(self, name: str) -> str | None:
        if ("buildpools", "", name) in self.site.api.objects:
            return None
        builds = self.chance.choice([1, 2, 100])
        auto_build = self.auto_build()
        more = {"autoBuild": auto_build} if auto_build else {}
        body = make_pool(name, builds=builds, **self.pool_spec(), **more)
        self.site.api.create(POOLS, body, None)
        return f"{name} {builds} {body['spec']['runtimes'][0]['version']}"

    def pool_spec(self) -> dict[str, Any]:
        archs = sorted(self.chance.sample(ARCHS[:4] + ARCHS[5:], self.chance.randint(2, 5)))
        versions = self.chance.sample(VERSIONS, self.chance.randint(1, 2))
        runtimes = [{"flavor": "TensorRTRTX", "version": version, "image": IMAGE} for version in versions]
        return {"aheadOfTime": {"archs": archs}, "runtimes": runtimes}

    def auto_build(self) -> Object | None:
        """Return for whom a pool builds by itself; nothing reaches its limits: the order is no matter."""
        namespaces = self.chance.choice([None, ["*"], ["*"], [TEAMS[0]]])
        return namespaces and {"namespaces": namespaces, "maxTargetsPerNamespace": 100, "maxTargets": 100}

    def engine(self) -> Object | None:
        bodies = self.site.api.all_of(ENGINES)
        return self.chance.choice(bodies) if bodies else None

    def edit(self, patch: Object) -> str | None:
        body = self.engine()
        if body is None:
            return None
        metadata = body["metadata"]
        self.site.api.patch(ENGINES, metadata["name"], patch, metadata["namespace"], None)
        return f"{name_of(body)} {json.dumps(patch)}"

    def targets(self) -> list[Object]:
        archs = self.chance.sample(ARCHS, self.chance.choice([1, 1, 2, 3]))
        levels = ["SameComputeCapability"] * 3 + ["AmperePlus"]
        return [{"gpuArch": arch, "compatibility": self.chance.choice(levels)} for arch in archs]

    def job(self) -> Object | None:
        jobs = self.player.at_work()
        return self.chance.choice(jobs) if jobs else None


def _states(body: Object) -> dict[str, str]:
    return {one["name"]: one["state"] for one in (body.get("status") or {}).get("targets") or []}
