"""What requests read of the cluster: from watches; the API server is asked for what they have not brought."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from gpusituations import node_of, slices_of
from ignition_hub.compatibility.engine_choice import ready_for
from ignition_hub.compatibility.gpus import node_gpu
from ignition_hub.compatibility.pod_request import PodRequest
from ignition_hub.compatibility.readiness import view_of
from ignition_hub.gateway.cluster.gpus import PodRecord, SliceViews, pod_record
from ignition_hub.gateway.cluster.turns import holder_of
from ignition_hub.gateway.cluster.usage import StoreUsage
from ignition_hub.gateway.cluster.views import Views, engine_record
from ignition_hub.kube import (
    ENGINES,
    NODES,
    PODS,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
    STORES,
    NotFound,
    TokenUser,
    Unavailable,
)

L4 = {
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "9",
    "nvidia.com/gpu.product": "NVIDIA-L4",
}
TARGET = {
    "name": "l4",
    "state": "Ready",
    "platform": "linux-x86_64",
    "gpuArch": "sm_89",
    "identity": "a" * 64,
    "uri": "s3://engines/x",
    "sizeBytes": 50,
    "lastTransitionTime": "2026-01-02T00:00:00Z",
    "artifact": {"size": 1},
}


def engine(name="resnet50", namespace="vision", **options):
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "generation": 2,
            "resourceVersion": "5",
            "labels": {"a": "b"},
        },
        "spec": {
            "model": {"name": "resnet50", "version": "v1", "source": {"uri": "s3://models/r.onnx"}},
            "precision": "fp16",
            "options": {"builderOptimizationLevel": 3, **options},
            "shapes": [{"input": "x" * 10_000}],
        },
        "status": {"observedGeneration": 2, "targets": [TARGET]},
    }


def node(name, labels):
    return {"metadata": {"name": name, "labels": labels, "resourceVersion": "5"}}


def pod(uid="7", claims=(), **limits):
    return {
        "metadata": {"name": "serving", "namespace": "vision", "uid": uid, "resourceVersion": "5"},
        "spec": {
            "nodeName": "gpu-node",
            "resourceClaims": [{"name": name, "resourceClaimName": name} for name in claims],
            "containers": [
                {
                    "name": "main",
                    "env": [{"name": "PASSWORD", "value": "x" * 1000}],
                    "resources": {"limits": limits, "claims": [{"name": name} for name in claims]},
                }
            ],
        },
    }


def claim(device):
    results = [{"request": "gpu", "driver": "gpu.nvidia.com", "pool": "gpu-node", "device": device}]
    return {
        "metadata": {"name": "mine", "namespace": "vision", "resourceVersion": "5"},
        "status": {"allocation": {"devices": {"results": results}}},
    }


def token(uid="7", node="gpu-node"):
    return TokenUser("u", "1", (), {}, "vision", "default", "serving", uid, node)


class FakeKube:
    """Lists and gets what it has; its watches never bring anything."""

    def __init__(self, *objects):
        self.objects = list(objects)
        self.asked = []
        self.listed = []
        self.is_away = False
        self.lacks = ()

    async def pages(self, resource, namespace=None, labels=None, *, size=500):
        self.listed.append((resource, labels))
        if self.is_away:
            raise Unavailable(0, "connection refused")
        if resource in self.lacks:
            raise NotFound(404, "the server could not find the requested resource")
        items = [body for kind, body in self.objects if kind is resource]
        yield {"metadata": {"resourceVersion": "9"}, "items": items}

    async def watch(self, resource, version, namespace=None, labels=None):
        await asyncio.Event().wait()
        yield "", {}

    async def get(self, resource, name, namespace=None):
        self.asked.append((resource, name))
        matching = (
            body for kind, body in self.objects if kind is resource and body["metadata"]["name"] == name
        )
        return next(matching, None)


class WatchedKube(FakeKube):
    """Its watch of TensorRTEngines brings what it is told; ``FAILS`` ends the watch as an outage does."""

    def __init__(self, *objects):
        super().__init__(*objects)
        self.news = asyncio.Queue()

    async def watch(self, resource, version, namespace=None):
        while resource is ENGINES:
            event, body = await self.news.get()
            if event == "FAILS":
                raise Unavailable(0, "connection reset")
            yield event, body
        await asyncio.Event().wait()

    async def tells(self, event, body):
        await self.news.put((event, body))
        await asyncio.sleep(0.01)


@asynccontextmanager
async def following(kube, fresh=None):
    views = Views(kube, fresh or kube)
    tasks = [asyncio.create_task(work) for work in views.follow()]
    await asyncio.wait_for(views.synced(), 5)
    yield views
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("options", [{}, {"runtimePlatform": "WINDOWS_AMD64"}])
def test_what_is_kept_of_an_engine_reads_as_the_whole_would(options):
    whole = engine(**options)
    kept = engine_record(whole)

    assert kept.view == view_of(whole) == view_of(kept.resource)
    gpu = node_gpu(L4)
    if not options:
        assert ready_for(kept.resource, gpu) == ready_for(whole, gpu)
    assert len(str(kept.resource)) < 1_000


def test_an_engine_without_a_status_is_one_that_nothing_is_known_of():
    body = {"metadata": {"name": "new", "namespace": "vision", "generation": 1}, "spec": {}}

    assert engine_record(body).resource["status"] == {"observedGeneration": -1, "targets": []}


async def test_what_is_known_costs_no_request():
    kube = FakeKube(
        (ENGINES, engine()), (NODES, node("gpu-node", L4)), (PODS, pod()), (STORES, node("main", {}))
    )

    async with following(kube) as views:
        assert views.trouble is None
        assert list(views.engines_in("vision")) == ["resnet50"]
        assert views.engines_in("other") == {}
        assert (await views.engine("vision", "resnet50"))["spec"]["precision"] == "fp16"
        assert (await views.gpus.belief_of(token())).gpu.exact_product == "NVIDIA-L4"
        assert (PODS, "ignitionhub.io/inject=true") in kube.listed
        assert [store["metadata"]["name"] for store in await views.stores()] == ["main"]
        assert kube.asked == []


async def test_engines_count_by_what_their_status_says_now():
    kube = WatchedKube((ENGINES, engine()), (ENGINES, engine("again")), (ENGINES, engine(namespace="audio")))

    async with following(kube) as views:
        assert views.engine_sizes().bytes_in("vision") == 50
        assert views.engine_sizes().namespaces_of("a" * 64) == ["vision", "audio"]

        larger = engine()
        larger["status"] = {"targets": [{**TARGET, "identity": "b" * 64, "sizeBytes": 7}]}
        await kube.tells("MODIFIED", larger)
        assert views.engine_sizes().bytes_in("vision") == 57
        await kube.tells("DELETED", engine("again"))
        assert views.engine_sizes().bytes_in("vision") == 7
        kube.objects = [(ENGINES, engine("third"))]
        await kube.tells("FAILS", {})
        await asyncio.sleep(0.3)
        assert views.engine_sizes().bytes_in("vision") == 50
        assert views.engine_sizes().bytes_in("audio") == 0


async def test_what_is_younger_than_the_watch_is_asked_for_by_name():
    objects = ((ENGINES, engine("young")), (NODES, node("gpu-node", L4)), (PODS, pod()))
    kube, fresh = FakeKube(), FakeKube(*objects)

    async with following(kube, fresh) as views:
        assert list(await views.young_engines("vision", ["young", "none"])) == ["young"]
        assert (await views.engine("vision", "young"))["metadata"]["name"] == "young"
        assert await views.engine("vision", "none") is None
        assert (await views.gpus.belief_of(token())).gpu.arch == "sm_89"
        assert (await views.gpus.belief_of(token(node="none"))).doubt == "no label tells its GPU"


MIXED = {
    **node_of("mig-mixed-whole-and-cut"),
    "metadata": {**node_of("mig-mixed-whole-and-cut")["metadata"], "resourceVersion": "5"},
}
WHOLE = "NVIDIA-H100-80GB-HBM3"


@pytest.mark.parametrize(
    ("limits", "product"),
    [
        ({"nvidia.com/gpu": "1"}, WHOLE),
        ({"nvidia.com/mig-1g.10gb": "1"}, f"{WHOLE}-MIG-1g.10gb"),
        ({"nvidia.com/mig-1g.10gb.me": "1"}, f"{WHOLE}-MIG-1g.10gb.me"),
        ({}, None),
    ],
)
async def test_pods_of_one_node_have_what_each_asked_for(limits, product):
    async with following(FakeKube((NODES, MIXED), (PODS, pod(**limits)))) as views:
        assert (await views.gpus.belief_of(token())).gpu.exact_product == product


async def test_a_pod_that_was_made_again_under_its_name_is_not_taken_for_the_one_before():
    kube = FakeKube((NODES, MIXED), (PODS, pod("7", **{"nvidia.com/gpu": "1"})))
    fresh = FakeKube((PODS, pod("8", **{"nvidia.com/mig-3g.40gb": "1"})))

    async with following(kube, fresh) as views:
        assert (await views.gpus.belief_of(token("8"))).gpu.exact_product == f"{WHOLE}-MIG-3g.40gb"
        assert (await views.gpus.belief_of(token("9"))).gpu is None
        assert (await views.gpus.belief_of(token("7"))).gpu.exact_product == WHOLE
        assert kube.asked == []


async def test_a_claim_is_followed_to_its_device_on_a_node_without_labels():
    bare = {
        "metadata": {"name": "gpu-node", "labels": {"kubernetes.io/arch": "amd64"}, "resourceVersion": "5"}
    }
    slices = [(RESOURCE_SLICES, body) for body in slices_of("mig-mixed-whole-and-cut")]
    given = (RESOURCE_CLAIMS, claim("gpu-1-mig-1g10gb-19-0"))
    kube = FakeKube((NODES, bare), (PODS, pod(claims=["mine"])), given, *slices)

    async with following(kube) as views:
        belief = await views.gpus.belief_of(token())
        assert belief.gpu.exact_product == f"{WHOLE}-MIG-1g.10gb"
        assert belief.source == "the pod's claimed device gpu-1-mig-1g10gb-19-0 of pool gpu-node"
        assert kube.asked == []


async def test_a_claim_that_was_just_allocated_is_asked_for():
    unallocated = {**claim("gpu-0"), "status": {}}
    slices = [(RESOURCE_SLICES, body) for body in slices_of("two-products")]
    kube = FakeKube((PODS, pod(claims=["mine"])), (RESOURCE_CLAIMS, unallocated), *slices)

    async with following(kube, FakeKube((RESOURCE_CLAIMS, claim("gpu-1")))) as views:
        assert (await views.gpus.belief_of(token())).gpu.exact_product == "NVIDIA-A100-SXM4-40GB"


async def test_a_cluster_without_dra_is_no_trouble():
    kube = FakeKube((NODES, node("gpu-node", L4)), (PODS, pod()))
    kube.lacks = (RESOURCE_CLAIMS, RESOURCE_SLICES)

    async with following(kube) as views:
        assert views.trouble is None
        assert (await views.gpus.belief_of(token())).gpu.arch == "sm_89"


def test_nothing_but_its_request_is_kept_of_a_pod():
    record = pod_record(pod(**{"nvidia.com/gpu": "1"}))

    assert record == PodRecord("7", PodRequest(cards=True))


async def test_before_the_first_list_nothing_is_said_of_engines_or_stores():
    kube = FakeKube()
    kube.is_away = True
    views = Views(kube, kube)

    assert views.trouble == "Kubernetes API request failed: tensorrtengines are not listed yet"
    for ask in (views.stores(), views.engine("vision", "resnet50")):
        with pytest.raises(Unavailable, match="are not listed yet"):
            await ask
    with pytest.raises(Unavailable):
        views.engines_in("vision")


def injected(name="serving", engines="resnet50"):
    annotations = {"ignitionhub.io/engines": engines}
    metadata = {"name": name, "namespace": "vision", "annotations": annotations}
    return {"spec": {"containers": []}, "metadata": {**metadata, "creationTimestamp": "2026-01-02T03:04:05Z"}}


async def test_what_is_in_use_follows_the_watch_and_pods_are_listed_once_a_run():
    kube = FakeKube((ENGINES, engine()), (PODS, injected()))

    async with following(kube) as views:
        kube.listed.clear()
        usage = StoreUsage(kube, views)
        pods = await usage.pods(fresh=True)
        demand = usage.demand(pods)
        assert demand.users("resnet50", "a" * 16)
        assert demand.has_pod_before("resnet50", 2e9)
        assert usage.demand(await usage.pods(fresh=False)) is demand
        views._engines._happened("MODIFIED", engine(shapes="the same engines"))
        assert usage.demand(pods) is demand
        views._engines._happened("DELETED", engine())
        assert not usage.demand(pods).users("resnet50", "a" * 16)
        await usage.pods(fresh=True)
        assert kube.listed.count((PODS, "ignitionhub.io/inject=true")) == 2


@pytest.mark.parametrize("lacks", ["the watch", "an object"])
async def test_what_is_in_use_is_not_said_while_it_is_not_known_for_certain(lacks):
    kube = FakeKube((ENGINES, engine()))

    async with following(kube) as views:
        if lacks == "the watch":
            views._engines.trouble = "connection refused"
        else:
            views._engines._happened("ADDED", {"metadata": engine("odd")["metadata"], "spec": 7})

        with pytest.raises(Unavailable, match=r"what is in use is not known for certain: .*(refused|odd)"):
            StoreUsage(kube, views).demand(())


async def test_before_the_first_list_nothing_is_said_to_be_unused():
    kube = FakeKube()

    with pytest.raises(Unavailable):
        StoreUsage(kube, Views(kube, kube)).demand(())


@pytest.mark.parametrize(
    ("spec", "holder"),
    [
        ({"holderIdentity": "a", "renewTime": "2026-01-02T03:04:05.000000Z"}, "a"),
        ({"holderIdentity": "a", "renewTime": "2026-01-02T03:03:06.000000Z"}, "a"),
        ({"holderIdentity": "a", "renewTime": "2026-01-02T03:03:05.000000Z"}, None),
        ({"holderIdentity": "a", "renewTime": "2027-01-02T03:04:05.000000Z"}, None),
        ({"holderIdentity": "", "renewTime": "2026-01-02T03:04:05.000000Z"}, None),
        ({"holderIdentity": "a"}, None),
    ],
)
def test_a_run_that_is_not_heard_of_for_a_minute_gives_way(spec, holder):
    now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    assert holder_of({"spec": spec}, now) == holder


def resource_slice(name, pool):
    spec = {"driver": "gpu.nvidia.com", "pool": {"name": pool, "generation": 1}, "devices": []}
    return {"metadata": {"name": name}, "spec": spec}


def test_a_pool_is_told_of_by_the_slices_that_name_it_now():
    views = SliceViews(None)

    def told():
        return [len(views.of_pool(pool)) for pool in ("one", "two")]

    views._happened("ADDED", resource_slice("a", "one"))
    assert told() == [1, 0]
    views._happened("MODIFIED", resource_slice("a", "two"))
    assert told() == [0, 1]
    views._happened("DELETED", resource_slice("a", "two"))
    assert told() == [0, 0]
    views._happened("ADDED", resource_slice("a", "one"))
    views._begin()
    views._listed(resource_slice("b", "two"))
    views._end()
    assert told() == [0, 1]
