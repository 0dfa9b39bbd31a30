"""
What everybody around a controller may do on a random walk, each a function of the walk (``walks``).

Each returns what it did in a few words, and None where there was nothing to do it to.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from fakeworld import MODEL_URI, make_engine
from ignition_hub.controller.policy.job_status import state_of
from ignition_hub.engine.errors import Reason, TransientError
from ignition_hub.engine.names import (
    ANNOTATION_REBUILD,
    BUILD_NAMESPACE,
    LABEL_GPU_ARCH,
)
from ignition_hub.kube import ENGINES, JOBS, NODES, PODS, POOLS
from walksite import (
    ARCHS,
    NAMES,
    OTHER_URI,
    TEAMS,
    gated_pod,
    name_of,
    node_of,
    placed_pod,
)

if TYPE_CHECKING:
    from walks import Walk


def _apply_engine(walk: Walk) -> str | None:
    namespace, name = walk.chance.choice(TEAMS), walk.chance.choice(NAMES)
    if ("tensorrtengines", namespace, name) in walk.site.api.objects:
        return None
    spec = {"targets": walk.targets(), "suspend": walk.chance.random() < 0.1}
    body = make_engine(name, namespace, **spec)
    walk.site.api.create(ENGINES, body, namespace)
    return f"{namespace}/{name} {json.dumps(spec)}"


def _delete_engine(walk: Walk) -> str | None:
    if (body := walk.engine()) is None:
        return None
    walk.site.api.delete(ENGINES, body["metadata"]["name"], body["metadata"]["namespace"])
    return name_of(body)


def _delete_and_apply_again(walk: Walk) -> str | None:
    if (body := walk.engine()) is None:
        return None
    namespace = body["metadata"]["namespace"]
    walk.site.api.delete(ENGINES, body["metadata"]["name"], namespace)
    again = {"metadata": {"name": body["metadata"]["name"]}, "spec": copy.deepcopy(body["spec"])}
    walk.site.api.create(ENGINES, again, namespace)
    return name_of(body)


def _change_targets(walk: Walk) -> str | None:
    return walk.edit({"spec": {"targets": walk.targets()}})


def _change_precision(walk: Walk) -> str | None:
    return walk.edit({"spec": {"precision": walk.chance.choice(["fp32", "fp16", "bf16"])}})


def _change_options(walk: Walk) -> str | None:
    return walk.edit({"spec": {"options": {"optimizationLevel": walk.chance.randint(2, 4)}}})


def _change_profiles(walk: Walk) -> str | None:
    most = walk.chance.choice([1, 8])
    shapes = {"data": {"min": [1, 3], "opt": [most, 3], "max": [most, 3]}}
    return walk.edit({"spec": {"profiles": walk.chance.choice([[], [{"shapes": shapes}]])}})


def _change_version(walk: Walk) -> str | None:
    asked = walk.chance.choice([None, {"version": "1.7"}, {"version": "1.6"}, {"flavor": "TensorRTRTX"}])
    return walk.edit({"spec": {"tensorrt": asked}})


def _change_model(walk: Walk) -> str | None:
    uri = walk.chance.choice([MODEL_URI, MODEL_URI, OTHER_URI, "s3://models/missing.onnx"])
    sha256 = walk.chance.choice(
        [None, hashlib.sha256(walk.site.world.bucket.models.get(uri, b"")).hexdigest()]
    )
    return walk.edit({"spec": {"model": {"source": {"uri": uri, "sha256": sha256}}}})


def _change_patience(walk: Walk) -> str | None:
    build = {"timeout": walk.chance.choice(["1h", "2h"]), "retries": walk.chance.choice([0, 2])}
    return walk.edit({"spec": {"build": build}})


def _suspend(walk: Walk) -> str | None:
    return walk.edit({"spec": {"suspend": walk.chance.random() < 0.5}})


def _ask_for_a_rebuild(walk: Walk) -> str | None:
    walk.serial += 1
    return walk.edit({"metadata": {"annotations": {ANNOTATION_REBUILD: f"r{walk.serial}"}}})


def _label(walk: Walk) -> str | None:
    walk.serial += 1
    return walk.edit({"metadata": {"labels": {"touched": f"t{walk.serial}"}}})


def _add_a_pool(walk: Walk) -> str | None:
    return walk.create_pool(walk.chance.choice(["rtx", "second"]))


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
    spec = walk.chance.choice([builds, builds, walk.pool_spec(), {"autoBuild": walk.auto_build()}])
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
    if (job := walk.job()) is None:
        return None
    walk.player.end(job)
    return str(job["metadata"]["name"])


def _fail_a_job(walk: Walk) -> str | None:
    if (job := walk.job()) is None:
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
    if (job := walk.job()) is None:
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
    if (engine := walk.engine()) and walk.chance.random() < 0.8:
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


Doing = Callable[["Walk"], str | None]

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
