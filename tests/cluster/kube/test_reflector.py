"""A kind followed on a real API server: what a list and a watch really send."""

import asyncio
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from ignition_hub.kube import NAMESPACES, SECRETS, Kube, Reflector

pytestmark = pytest.mark.cluster


@pytest.fixture
async def kube(control_plane):
    kube = await Kube.connect(kubeconfig=str(control_plane.kubeconfig))
    yield kube
    await kube.close()


@pytest.fixture
async def namespace(kube):
    name = f"followed-{uuid4().hex[:8]}"
    await kube.create(NAMESPACES, {"metadata": {"name": name}})
    return name


def secret(name, **data):
    return {"metadata": {"name": name}, "stringData": data}


@asynccontextmanager
async def following(kube, namespace):
    reflector = Reflector(kube, SECRETS, lambda body: body.get("data") or {}, namespace)
    task = asyncio.create_task(reflector.run())
    await asyncio.wait_for(reflector.synced(), 10)
    yield reflector
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def eventually(rule):
    for _ in range(200):
        if rule():
            return
        await asyncio.sleep(0.05)
    raise AssertionError("it did not come")


async def test_objects_that_are_made_changed_and_deleted_are_seen(kube, namespace):
    await kube.create(SECRETS, secret("before", a="1"), namespace)
    async with following(kube, namespace) as known:
        assert known.all_in(namespace) == {"before": {"a": "MQ=="}}

        await kube.create(SECRETS, secret("after", a="1"), namespace)
        await kube.merge_patch(SECRETS, "before", {"stringData": {"a": "2"}}, namespace)
        await eventually(lambda: known.all_in(namespace) == {"before": {"a": "Mg=="}, "after": {"a": "MQ=="}})

        await kube.delete(SECRETS, "before", namespace)
        await eventually(lambda: list(known.all_in(namespace)) == ["after"])


async def test_an_object_of_half_a_mebibyte_comes_whole(kube, namespace):
    async with following(kube, namespace) as known:
        await kube.create(SECRETS, secret("large", a="x" * 512 * 1024), namespace)

        await eventually(lambda: known.get("large", namespace) is not None)

        assert len(known.get("large", namespace)["a"]) == 4 * -(-512 * 1024 // 3)


async def test_a_list_in_pages_is_of_one_version(kube, namespace):
    for number in range(5):
        await kube.create(SECRETS, secret(f"s{number}"), namespace)

    pages = [page async for page in kube.pages(SECRETS, namespace, size=2)]

    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert len({page["metadata"]["resourceVersion"] for page in pages}) == 1


async def test_a_watch_takes_no_place_of_the_limiter(kube, namespace):
    paced = kube.paced(type(kube._limiter)(qps=1000, burst=10, in_flight=1))
    async with following(paced, namespace):
        assert await asyncio.wait_for(paced.get(SECRETS, "none", namespace), 5) is None
