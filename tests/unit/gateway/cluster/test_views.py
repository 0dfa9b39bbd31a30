"""What requests read of the cluster: from watches; the API server is asked for what they have not brought."""

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from ignition_hub.compatibility.engine_choice import ready_for
from ignition_hub.compatibility.gpus import node_gpu
from ignition_hub.compatibility.readiness import view_of
from ignition_hub.gateway.cluster.turns import holder_of
from ignition_hub.gateway.cluster.usage import StoreUsage
from ignition_hub.gateway.cluster.views import Views, engine_record
from ignition_hub.kube import ENGINES, NODES, PODS, STORES, Unavailable

L4 = {
    "nvidia.com/gpu.compute.major": "8",
    "nvidia.com/gpu.compute.minor": "9",
    "nvidia.com/gpu.product": "NVIDIA-L4",
}
TARGET = {
    "name": "l4",
    "state": "Ready",
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


class FakeKube:
    """Lists and gets what it has; its watches never bring anything."""

    def __init__(self, *objects):
        self.objects = list(objects)
        self.asked = []
        self.listed = []
        self.is_away = False

    async def pages(self, resource, namespace=None, labels=None, *, size=500):
        self.listed.append((resource, labels))
        if self.is_away:
            raise Unavailable(0, "connection refused")
        items = [body for kind, body in self.objects if kind is resource]
        yield {"metadata": {"resourceVersion": "9"}, "items": items}

    async def watch(self, resource, version, namespace=None):
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
    kube = FakeKube((ENGINES, engine()), (NODES, node("gpu-l4", L4)), (STORES, node("main", {})))

    async with following(kube) as views:
        assert views.trouble is None
        assert list(views.engines_in("vision")) == ["resnet50"]
        assert views.engines_in("other") == {}
        assert (await views.engine("vision", "resnet50"))["spec"]["precision"] == "fp16"
        assert (await views.gpu("gpu-l4")).exact_product == "NVIDIA-L4"
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
    kube, fresh = FakeKube(), FakeKube((ENGINES, engine("young")), (NODES, node("gpu-l4", L4)))

    async with following(kube, fresh) as views:
        assert list(await views.young_engines("vision", ["young", "none"])) == ["young"]
        assert (await views.engine("vision", "young"))["metadata"]["name"] == "young"
        assert await views.engine("vision", "none") is None
        assert (await views.gpu("gpu-l4")).arch == "sm_89"
        assert await views.gpu("none") is None


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
    return {"metadata": {**metadata, "creationTimestamp": "2026-01-02T03:04:05Z"}}


async def test_what_is_in_use_follows_the_watch_and_pods_are_listed_once_a_run():
    kube = FakeKube((ENGINES, engine()), (PODS, injected()))

    async with following(kube) as views:
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
