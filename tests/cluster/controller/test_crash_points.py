"""
The controller killed at every single write: right before it is sent, and right after it was done.

Three lives hold everything that a controller writes. Each is lived once undisturbed, its writes are counted
and its scenes pictured; then once for every write and side, up to that write by a controller that dies there
and from there by one that knows nothing. Every scene has to look as in the undisturbed life.

A process of its own for every kill would cost its start each time. Here the whole controller below the queue
is dropped where it stands, and its connection is cut under it, so that nothing which runs on the way out can
send anything (``mortal``). ``test_process`` kills processes.
"""

import ast
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ignition_hub.controller
import job_controller
from fakeworld import make_engine, make_pool
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.controller.policy.views import JobState
from ignition_hub.controller.process.leader_election import Election, KubeLease
from ignition_hub.engine.errors import Reason, TransientError
from ignition_hub.engine.names import (
    ANNOTATION_PROGRESS,
    ANNOTATION_REBUILD,
    ANNOTATION_ROLLED,
    BUILD_NAMESPACE,
    LABEL_GPU_ARCH,
    RELEASE_NAMESPACE,
)
from ignition_hub.kube import (
    DEPLOYMENTS,
    ENGINES,
    EVENTS,
    JOBS,
    LEASES,
    NODES,
    PODS,
    POOLS,
    REPLICA_SETS,
    STORES,
    Kube,
    Object,
    RateLimiter,
)
from job_controller import request_of
from localcluster import ControlPlane
from mortal import Fate, Killed, connect
from passes import Passes, Times
from servedworkload import serve
from walksite import WalkWorld, gated_pod, node_of, placed_pod

pytestmark = pytest.mark.cluster

TEAM, OTHERS = "crash-team", "crash-others"
CONTROLLER = Path(ignition_hub.controller.__file__).parent
EVENTS_OF_A_PASS = 3
"""One for each target, and one for the pod that waits: the most that a death may keep from being told."""
EVENTS_OF_AN_ADDED_TARGET = 3
"""That it is added, to its pod too, and that its build begins."""
ANSWER_TO_A_FAILURE = "once more"
LATER = 3600.0
"""Seconds until the next scene: no pause of the hub is longer."""


class Over(Exception):
    """Enough was seen of a life: the scene with the death in it, and the one after."""


@dataclass
class Scene:
    """What there is when nothing is written any more."""

    name: str
    picture: dict[str, Any]
    events: Counter[tuple[str, str]]
    jobs_created: int


class Life:
    """A cluster, a bucket, and one controller after another."""

    def __init__(self, kube: Kube, kubeconfig: str, fate: Fate) -> None:
        self.kube, self._kubeconfig, self._to_come = kube, kubeconfig, fate
        self.fate = Fate()
        self.fates = [self.fate]
        self.world = WalkWorld()
        self.times, self.waited = Times(), 0.0
        self.scenes: list[Scene] = []
        self.clients: list[Kube] = []
        self.died_in: int | None = None

    @property
    def writes(self) -> list[str]:
        """What was written by the controller that was to die."""
        return self._to_come.writes

    async def begin(self) -> None:
        """Start a controller that knows nothing."""
        self.clients.append(kube := await connect(self._kubeconfig, self.fate))
        self._passes = Passes(kube, self.world, self.times, lambda: len(self.fate.writes))
        lease = KubeLease(kube, "ignition-hub-controller", RELEASE_NAMESPACE)
        self.election = Election(lease, f"replica-{len(self.clients)}", clock=lambda: self.waited)

    async def meet_fate(self) -> None:
        """Start the controller that is to die: from here its writes are counted."""
        self._take(self._to_come)
        await self.begin()

    async def works(self, scene: str) -> None:
        """Work until nothing is written any more; after a death another controller does. Then picture it."""
        await self._survive(self._settle)
        created = sum(fate.done["create jobs"] for fate in self.fates)
        seen = await picture(self.kube, self.world)
        self.scenes.append(Scene(scene, seen, await events_of(self.kube), created))
        if self.died_in is not None and len(self.scenes) > self.died_in + 1:
            raise Over

    async def renews(self) -> None:
        """Renew the Lease."""

        async def renew() -> None:
            assert await self.election.attempt()

        await self._survive(renew)

    async def ends(self) -> None:
        """Hand the Lease back."""
        await self._survive(self.election._release)

    async def _survive(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except Killed:
            self.died_in = len(self.scenes)
            self._take(Fate())
            await self.begin()
            await self._settle()

    def _take(self, fate: Fate) -> None:
        self.fate = fate
        self.fates.append(fate)

    async def _settle(self) -> None:
        while not self.election.leads and not await self.election.attempt():
            self.waited += 20.0
        await self._passes.settle()

    # What others do.

    async def appear(self) -> None:
        """Make a pool, a store, an engine of two targets and one of another team that shares a build."""
        await self.kube.create(POOLS, make_pool(aheadOfTime={"archs": ["sm_86", "sm_89"]}))
        await self.kube.create(STORES, {"metadata": {"name": "default"}, "spec": STORE})
        mine = make_engine("mine", targets=[{"gpuArch": "sm_86"}, {"gpuArch": "sm_89"}])
        for namespace, body in ((TEAM, mine), (OTHERS, make_engine("theirs"))):
            body["metadata"].pop("namespace")
            await self.kube.create(ENGINES, body, namespace)
        await self.kube.create(PODS, gated_pod("server", "mine"), TEAM)

    async def edit(self, patch: Object) -> None:
        await self.kube.merge_patch(ENGINES, "mine", patch, TEAM)

    async def ask_again(self, word: str) -> None:
        await self.edit({"metadata": {"annotations": {ANNOTATION_REBUILD: word}}})

    async def building(self, arch: str = "") -> list[Object]:
        """Return the Jobs that run, for one architecture or for all."""
        jobs = [job for job in await self.kube.list(JOBS, BUILD_NAMESPACE) if not _has_ended(job)]
        return [job for job in jobs if arch in request_of(job).inputs.gpu_arch]

    async def complete_all(self) -> None:
        """End every build well, some seconds from now: Kubernetes stamps whole seconds."""
        for job in await self.building():
            self.world.bucket.publish(request_of(job))
            await job_controller.complete(self.kube, job, after=5.0)

    async def say_progress(self, job: Object, percent: int) -> None:
        progress = json.dumps({"phase": "Building engine", "percent": percent})
        patch = {"metadata": {"annotations": {ANNOTATION_PROGRESS: progress}}}
        await self.kube.merge_patch(JOBS, job["metadata"]["name"], patch, BUILD_NAMESPACE)


async def an_engine_is_built(life: Life) -> None:
    """Built, with a failure on the way, told to a pod that waits, and rolled out to one that runs another."""
    await life.appear()
    await serve(life.kube, TEAM, "mine", "sm_89")
    await life.meet_fate()
    await life.works("two builds begin")
    await life.renews()
    [first], [second] = await life.building("sm_86"), await life.building("sm_89")
    await life.say_progress(first, 42)
    await life.works("a build goes on")
    await job_controller.fail(life.kube, second, "BuildFailed", "no", 18)
    await life.works("a build failed")
    await life.ask_again(ANSWER_TO_A_FAILURE)
    await life.works("it is built again")
    await life.complete_all()
    await life.works("all is ready")
    await life.ends()


async def an_engine_is_replaced(life: Life) -> None:
    """Built anew on demand, for all who share it; lost from the bucket; built for another spec."""
    await life.appear()
    await life.begin()
    await life.works("two builds begin")
    await life.complete_all()
    await life.works("all is ready")
    await life.meet_fate()
    life.times.ahead += LATER
    await life.ask_again("better")
    await life.works("both are built anew")
    await life.complete_all()
    await life.works("both are replaced")
    life.world.bucket.manifests.popitem()
    life.times.ahead += LATER
    await life.works("a lost engine is built")
    await life.complete_all()
    await life.works("all is ready again")


async def an_engine_changes_and_goes(life: Life) -> None:
    """Edited while it is built, suspended, without a store, without a pool, and deleted."""
    await life.appear()
    await life.begin()
    await life.works("two builds begin")
    await life.meet_fate()
    await life.edit({"spec": {"suspend": True, "precision": "bf16"}})
    await life.works("no build begins")
    life.world.trouble = TransientError(Reason.StoreUnavailable, "s3.example.com does not answer")
    await life.works("the store is away")
    life.world.trouble = None
    await life.edit({"spec": {"suspend": False}})
    await life.works("the store is back")
    await life.kube.delete(POOLS, "rtx")
    await life.works("no pool builds")
    await life.kube.create(POOLS, make_pool(aheadOfTime={"archs": ["sm_86"]}))
    await life.works("a pool builds a part")
    await life.kube.delete(ENGINES, "mine", TEAM)
    await life.works("one engine is deleted")
    await life.kube.delete(ENGINES, "theirs", OTHERS)
    await life.works("all are deleted")
    assert not await life.building()


async def an_engine_is_built_for_a_pod(life: Life) -> None:
    """Built for the GPU of a pod that no target serves, and left to go when no pod needs it."""
    await life.appear()
    await life.kube.merge_patch(POOLS, "rtx", {"spec": {"autoBuild": {"namespaces": [TEAM]}}})
    labels = {LABEL_GPU_ARCH: "sm_120"}
    await life.kube.create(NODES, {"metadata": {"name": node_of("sm_120"), "labels": labels}})
    await life.begin()
    await life.works("two builds begin")
    await life.complete_all()
    await life.works("all is ready")
    await life.meet_fate()
    await life.kube.create(PODS, placed_pod("runs", "mine", "sm_120"), TEAM)
    await life.works("no pool builds for its GPU")
    await life.kube.merge_patch(
        POOLS, "rtx", {"spec": {"aheadOfTime": {"archs": ["sm_86", "sm_89", "sm_120"]}}}
    )
    await life.works("a build for it begins")
    await life.complete_all()
    await life.works("its engine is ready")
    await life.kube.delete(PODS, "runs", TEAM)
    await life.works("no pod needs it")
    life.times.ahead += 25 * LATER
    await life.works("it is gone")


LIVES = {
    life.__name__: life
    for life in (
        an_engine_is_built,
        an_engine_is_replaced,
        an_engine_changes_and_goes,
        an_engine_is_built_for_a_pod,
    )
}

WRITES = {
    "an_engine_is_built": 32,
    "an_engine_is_replaced": 28,
    "an_engine_changes_and_goes": 39,
    "an_engine_is_built_for_a_pod": 16,
}
"""How many writes each life has: twice as many crash points."""

SITES = {
    "adapters.cluster:_create_job": {"create jobs"},
    "adapters.cluster:delete_job": {"delete jobs"},
    "adapters.cluster:write_status": {
        "patch tensorrtengines/status",
        "patch buildpools/status",
        "patch enginestores/status",
    },
    "adapters.cluster:release_pod": {"patch pods"},
    "adapters.workloads:restart": {"patch deployments"},
    "adapters.events:post": {"create events"},
    "process.leader_election:create": {"create leases"},
    "process.leader_election:replace": {"replace leases"},
}
"""Where the controller writes, and what."""

STORE = {
    "s3": {
        "endpoint": "https://s3.example.com",
        "bucket": "engines",
        "credentialsSecretRef": {"name": "engine-store"},
    }
}


@dataclass
class Stage:
    """Where lives are lived, one after the other."""

    kube: Kube
    """The hands of everybody else."""
    kubeconfig: str
    undisturbed: dict[str, Life]

    async def live(self, name: str, fate: Fate) -> Life:
        """Live a life in a cluster without anything of ours."""
        await clear(self.kube)
        life = Life(self.kube, self.kubeconfig, fate)
        try:
            with suppress(Over):
                await LIVES[name](life)
        finally:
            for client in life.clients:
                await client.close()
        return life

    async def live_undisturbed(self, name: str) -> Life:
        """Return the life in which nobody dies."""
        if name not in self.undisturbed:
            self.undisturbed[name] = await self.live(name, Fate())
        return self.undisturbed[name]


@pytest.fixture(scope="module")
def undisturbed(plane: ControlPlane) -> dict[str, Life]:
    """The lives without a death that were lived so far."""
    for name in (TEAM, OTHERS):
        plane.kubectl("create", "namespace", name)
    return {}


@pytest.fixture
async def stage(plane: ControlPlane, undisturbed: dict[str, Life]) -> AsyncIterator[Stage]:
    kubeconfig = str(plane.kubeconfig)
    kube = await Kube.connect(kubeconfig=kubeconfig, limiter=RateLimiter(qps=1000, burst=1000))
    yield Stage(kube, kubeconfig, undisturbed)
    await kube.close()


@pytest.mark.parametrize("name", LIVES)
async def test_every_write_of_a_life_has_its_crash_points(stage: Stage, name: str) -> None:
    life = await stage.live_undisturbed(name)

    print(f"{name}: {2 * len(life.writes)} crash points:", dict(Counter(life.writes)))
    assert len(life.writes) == WRITES[name]


async def test_the_lives_hold_everything_that_the_controller_writes(stage: Stage) -> None:
    lives = [await stage.live_undisturbed(name) for name in LIVES]

    assert set(SITES) == set(sites_of_writes())
    assert {kind for life in lives for kind in life.writes} == set().union(*SITES.values())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("name", "write"), [(name, write) for name, count in WRITES.items() for write in range(1, count + 1)]
)
async def test_a_controller_killed_at_a_write_leaves_what_the_next_one_finishes(
    stage: Stage, name: str, write: int, after: bool
) -> None:
    expected = await stage.live_undisturbed(name)
    life = await stage.live(name, Fate(dies_at=write, dies_after=after))

    assert life.died_in is not None
    for scene, like in zip(life.scenes, expected.scenes, strict=False):
        assert not differences(scene.picture, like.picture, scene.name)
        assert scene.jobs_created == like.jobs_created
        assert not scene.events - like.events
        most = EVENTS_OF_AN_ADDED_TARGET if name == "an_engine_is_built_for_a_pod" else EVENTS_OF_A_PASS
        assert (like.events - scene.events).total() <= most


def differences(seen: Any, expected: Any, where: str = "") -> list[str]:
    """Return where two pictures differ: what is there, and what should be."""
    if isinstance(seen, dict) and isinstance(expected, dict):
        keys = sorted(seen | expected)
        return [
            line for key in keys for line in differences(seen.get(key), expected.get(key), f"{where}/{key}")
        ]
    return [] if seen == expected else [f"{where}: {seen!r} is not {expected!r}"]


def sites_of_writes() -> Iterator[str]:
    """Yield every function of the controller that asks a client to write, with its module."""
    for file in sorted(CONTROLLER.rglob("*.py")):
        module = ".".join(file.relative_to(CONTROLLER).with_suffix("").parts)
        for function in ast.walk(ast.parse(file.read_text())):
            is_function = isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
            if is_function and any(_writes(node) for node in ast.walk(function)):
                yield f"{module}:{function.name}"


def _writes(node: ast.AST) -> bool:
    if not isinstance(node, ast.Attribute) or node.attr not in {
        "create",
        "replace",
        "merge_patch",
        "apply",
        "delete",
    }:
        return False
    return ast.unparse(node.value).split(".")[-1] in {"kube", "_kube", "_releases"}


async def clear(kube: Kube) -> None:
    for resource in (ENGINES, JOBS, DEPLOYMENTS, REPLICA_SETS, PODS, POOLS, STORES, EVENTS, LEASES, NODES):
        for body in await kube.list(resource):
            metadata = body["metadata"]
            if metadata.get("namespace") in {None, TEAM, OTHERS, BUILD_NAMESPACE, RELEASE_NAMESPACE}:
                await kube.delete(resource, metadata["name"], metadata.get("namespace"))


async def events_of(kube: Kube) -> Counter[tuple[str, str]]:
    """Return what the events say, and how often."""
    events = [*await kube.list(EVENTS, TEAM), *await kube.list(EVENTS, OTHERS)]
    return Counter((event["reason"], event["note"]) for event in events)


async def picture(kube: Kube, world: WalkWorld) -> dict[str, Any]:
    """Return what the cluster and the bucket hold, without versions and times."""
    found: dict[str, Any] = {"manifests": sorted(world.bucket.manifests)}
    for resource in (ENGINES, POOLS, STORES):
        for body in await kube.list(resource):
            found[f"{resource.kind} {body['metadata']['name']}"] = timeless(body.get("status"))
    for body in await kube.list(JOBS, BUILD_NAMESPACE):
        metadata, spec = body["metadata"], body["spec"]
        limits = {key: spec[key] for key in ("backoffLimit", "activeDeadlineSeconds")}
        annotations = dict(metadata["annotations"])
        if annotations.get(ANNOTATION_REBUILD) == ANSWER_TO_A_FAILURE:
            # The request is handled with the failed Job's deletion or, after a death there, with the next
            # Job, which then carries it. What is built is the same: nothing is there to be replaced.
            del annotations[ANNOTATION_REBUILD]
        said = {"labels": metadata["labels"], "annotations": annotations, "state": state_of(body)}
        found[f"Job {metadata['name']}"] = {**said, **limits}
    for body in await kube.list(DEPLOYMENTS, TEAM):
        found["rolled"] = ANNOTATION_ROLLED in body["spec"]["template"]["metadata"]["annotations"]
    for body in await kube.list(PODS, TEAM):
        gates = {key: body["spec"].get(key) for key in ("schedulingGates", "affinity")}
        found[f"Pod {body['metadata']['name']}"] = {**gates, "labels": body["metadata"].get("labels")}
    return found


def timeless(status: Any) -> Any:
    if isinstance(status, dict):
        return {
            key: "a time" if key in {"since", "unneededSince"} else timeless(value)
            for key, value in status.items()
            if key != "lastTransitionTime"
        }
    return [timeless(one) for one in status] if isinstance(status, list) else status


def _has_ended(job: Object) -> bool:
    return state_of(job) in {JobState.COMPLETE, JobState.FAILED}
