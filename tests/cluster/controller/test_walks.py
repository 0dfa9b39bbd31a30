"""
Random walks of the controller, each from a printed seed: whatever was done, it ends as the last spec says.

1,000 walks are in memory, where an hour takes a fraction of a second (``walks``). A few more make the same
edits at a real API server, which knows the schema and every precondition; there the controller works without
its queue (``passes``), and may die between any two edits.
"""

import asyncio
import copy
import os
import random
from collections import Counter
from typing import Any

import pytest

import virtualtime
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.controller.policy.views import JobState
from ignition_hub.engine.names import ANNOTATION_REBUILD, LABEL_IDENTITY
from ignition_hub.engine.naming import identity_label
from ignition_hub.kube import ENGINES, JOBS, NODES, PODS, POOLS, STORES, Object
from localcluster import ControlPlane
from mortal import Fate, connect
from passes import Passes, Times
from realapi import RealApi
from walks import Walk
from walksite import REST, TEAMS, Player, Site

pytestmark = pytest.mark.cluster

WALKS, EACH = 1000, 25
STEPS = 25
REAL_WALKS, REAL_STEPS = 50, 8
MOST_BUILDS_IN_A_ROW = 12
FIRST = int(os.environ.get("WALKS_FROM", "1"))
"""The first seed: another one walks where no walk has been."""


@pytest.mark.parametrize("first", range(FIRST, FIRST + WALKS, EACH))
def test_a_random_walk_ends_as_the_last_spec_says(first: int) -> None:
    for seed in range(first, first + EACH):
        walk_from(seed)


def walk_from(seed: int) -> None:
    random.seed(seed)  # the controller spreads load by chance
    trail: list[str] = []
    try:
        virtualtime.run(walked(seed, trail))
    except BaseException:
        print(f"seed {seed}:", *trail, sep="\n  ")
        raise


async def walked(seed: int, trail: list[str]) -> None:
    walk = Walk(seed)
    walk.trail = trail
    await walk.live(STEPS)
    if seed % 4 < 2:
        await builds_at_rest_are_those_that_are_wanted(walk)
    await walk.finish()
    await nothing_is_written_at_rest(walk)
    walk.ask_again()
    await walk.finish()
    await nothing_is_written_at_rest(walk)
    await the_end_is_what_a_controller_without_a_past_makes_of_it(walk)
    events_tell_transitions(walk)
    assert not walk.overfull, walk.overfull
    await walk.site.kill()


async def builds_at_rest_are_those_that_are_wanted(walk: Walk) -> None:
    await walk.rest()
    ended = {JobState.COMPLETE, JobState.FAILED}
    jobs = [job for job in walk.site.api.all_of(JOBS) if state_of(job) not in ended]
    running = {job["metadata"]["labels"][LABEL_IDENTITY]: job for job in jobs}
    wanted = set(map(identity_label, wanted_builds(walk)))
    assert wanted <= set(running)
    for identity in set(running) - wanted:
        # Who asked for the rebuild was deleted, and another has the engine that it will replace.
        assert ANNOTATION_REBUILD in running[identity]["metadata"]["annotations"]
        assert identity in map(identity_label, ready_engines(walk))
    for body in walk.site.api.all_of(ENGINES):
        assert body["status"]["observedGeneration"] == body["metadata"]["generation"]
    assert not await walk.rest(120.0)


def ready_engines(walk: Walk) -> set[str]:
    targets = [one for body in walk.site.api.all_of(ENGINES) for one in body["status"]["targets"]]
    return {one["identity"] for one in targets if one["state"] == "Ready"}


def wanted_builds(walk: Walk) -> set[str]:
    targets = [one for body in walk.site.api.all_of(ENGINES) for one in body["status"]["targets"]]
    replaced = "published; the requested rebuild replaces it when it is complete"
    return {
        one["identity"]
        for one in targets
        if one["state"] == "Building"
        or one.get("message") == replaced
        or "an earlier build is active" in one.get("message", "")
    }


async def nothing_is_written_at_rest(walk: Walk) -> None:
    assert not walk.player.at_work()
    assert not await walk.rest(700.0)
    await walk.site.restart()
    assert not await walk.rest(400.0)


async def the_end_is_what_a_controller_without_a_past_makes_of_it(walk: Walk) -> None:
    fresh = Site(random.Random(0), copy.deepcopy(walk.site.world), 1e9)
    for resource in (NODES, POOLS, STORES, ENGINES, PODS):
        for body in walk.site.api.all_of(resource):
            metadata = body["metadata"]
            kept = {key: metadata[key] for key in ("name", "labels", "annotations") if key in metadata}
            fresh.api.create(
                resource, {"metadata": kept, "spec": body.get("spec") or {}}, metadata.get("namespace")
            )
    fresh.start()
    player = Player(fresh)
    for _ in range(40):
        await asyncio.sleep(20.0)
        for job in player.at_work():
            player.end(job)

    # An added target keeps the pool and release that it was added with, which may be others today.
    chance = built_for_pods(fresh) | built_for_pods(walk.site)
    expected, actual = (ends(site, but=chance) for site in (fresh, walk.site))
    assert expected == actual
    assert added(fresh) == added(walk.site)
    assert gated(walk.site) <= gated(fresh)
    await fresh.kill()


@pytest.mark.parametrize("seed", range(FIRST, FIRST + REAL_WALKS))
def test_a_random_walk_at_a_real_api_server_ends_as_the_last_spec_says(
    control_plane: ControlPlane, api: Any, seed: int
) -> None:
    real = RealApi(api.ask)
    walk = Walk(seed, real)
    real.clear(*TEAMS)
    try:
        asyncio.run(walked_for_real(walk, str(control_plane.kubeconfig)))
        virtualtime.run(the_end_is_what_a_controller_without_a_past_makes_of_it(walk))
    except BaseException:
        print(f"seed {seed}:", *walk.trail, sep="\n  ")
        raise
    finally:
        real.clear()


async def walked_for_real(walk: Walk, kubeconfig: str) -> None:
    fate, times = Fate(), Times()
    kube = await connect(kubeconfig, fate)

    def controller() -> Passes:
        return Passes(kube, walk.site.world, times, lambda: len(fate.writes))

    try:
        walk.begin()
        at_work = controller()
        for _ in range(REAL_STEPS):
            walk.step()
            await at_work.settle()
            if walk.chance.random() < 0.2:
                at_work = controller()
        walk.site.world.trouble = None
        await end_all_builds(walk, at_work)
        walk.ask_again()
        times.ahead += REST
        await end_all_builds(walk, at_work)
        written = len(fate.writes)
        await controller().settle()
        assert len(fate.writes) == written
    finally:
        await kube.close()


async def end_all_builds(walk: Walk, controller: Passes) -> None:
    for _ in range(MOST_BUILDS_IN_A_ROW):
        await controller.settle()
        if not (jobs := walk.player.at_work()):
            return
        for job in jobs:
            walk.player.end(job)
    raise AssertionError("builds go on and on")


def built_for_pods(site: Site) -> set[str | None]:
    """Return the identities of all targets that were added for pods."""
    targets = [one for body in site.api.all_of(ENGINES) for one in body["status"]["targets"]]
    return {one.get("identity") for one in targets if "autoBuild" in one}


def ends(site: Site, *, but: set[str | None]) -> dict[str, dict[str, Object]]:
    """
    Return of every engine what its targets are, without how they came to be.

    Left out is what a suspended engine has of the identities ``but``: only what others built.
    """
    return {
        f"{body['metadata']['namespace']}/{body['metadata']['name']}": {
            one["name"]: {
                key: one.get(key) for key in ("state", "identity", "uri", "pool", "tier", "tensorrt")
            }
            for one in body["status"]["targets"]
            if "autoBuild" not in one and not (body["spec"].get("suspend") and one.get("identity") in but)
        }
        for body in site.api.all_of(ENGINES)
    }


def added(site: Site) -> set[tuple[str, str, str]]:
    """Return every GPU of a pod that a target was added for, but those that are left of an earlier time."""
    pools = {body["metadata"]["name"]: body["spec"].get("autoBuild") or {} for body in site.api.all_of(POOLS)}
    return {
        (body["metadata"]["namespace"], body["metadata"]["name"], one["gpuArch"])
        for body in site.api.all_of(ENGINES)
        if not body["spec"].get("suspend")  # what was added before it was suspended stays
        for one in body["status"]["targets"]
        if "autoBuild" in one and "unneededSince" not in one["autoBuild"]
        if allows(pools.get(one["autoBuild"]["pool"], {}), body["metadata"]["namespace"])
    }


def allows(auto_build: Object, namespace: str) -> bool:
    return bool({"*", namespace} & set(auto_build.get("namespaces", ())))


def gated(site: Site) -> set[tuple[str, str]]:
    return {
        (body["metadata"]["namespace"], body["metadata"]["name"])
        for body in site.api.all_of(PODS)
        if body["spec"].get("schedulingGates")
    }


def events_tell_transitions(walk: Walk) -> None:
    of_state = {"BuildSucceeded": "Ready", "EngineReused": "Ready", "BuildFailed": "Failed"}
    told: Counter[tuple[str, str]] = Counter()
    for (target, reason), count in walk.events.items():
        if reason in of_state or reason == "Unbuildable":
            told[target, of_state.get(reason, reason)] += count
    too_often = told - walk.transitions
    assert not too_often, too_often
