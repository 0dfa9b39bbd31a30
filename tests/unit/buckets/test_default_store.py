"""The store in use: what is read last stays, and what changed is followed."""

import base64

import pytest

from ignition_hub.buckets.default_store import DefaultStore
from ignition_hub.kube import SECRETS, STORES, Unavailable
from ignition_hub.store.errors import StoreMisconfigured


class FakeKube:
    """One EngineStore and its Secret, until it is away."""

    def __init__(self):
        self.away = False
        self.access_key = "AK"
        self.endpoint = "http://127.0.0.1:9"
        self.has_store = True
        self.spec = {}

    async def list(self, resource, namespace=None):
        assert resource is STORES
        if self.away:
            raise Unavailable(0, "connection refused")
        s3 = {"endpoint": self.endpoint, "bucket": "b", "credentialsSecretRef": {"name": "s"}}
        return [{"metadata": {"name": "default"}, "spec": {"s3": s3, **self.spec}}] if self.has_store else []

    async def get(self, resource, name, namespace=None):
        assert (resource, name, namespace) == (SECRETS, "s", "hub")
        data = {"accessKey": self.access_key, "secretKey": "SK"}
        return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


def opened_by(kube):
    return DefaultStore(kube, "hub", lambda: kube.list(STORES))


def reopened(stores):
    stores._secrets.forget("s")
    return stores


async def test_the_store_that_was_read_last_stays_in_use_while_the_api_server_is_away():
    kube = FakeKube()
    stores = opened_by(kube)
    first = await stores.current()
    kube.away = True

    assert await reopened(stores).current() is first


async def test_a_store_never_read_cannot_be_used():
    kube = FakeKube()
    kube.away = True

    with pytest.raises(Unavailable):
        await opened_by(kube).current()


async def test_new_credentials_open_the_store_anew_and_the_same_ones_do_not():
    kube = FakeKube()
    stores = opened_by(kube)
    first = (await stores.current()).objects
    assert (await reopened(stores).current()).objects is first

    kube.access_key = "AK2"

    assert (await reopened(stores).current()).objects is not first


async def test_without_an_engine_store_none_can_be_used():
    kube = FakeKube()
    kube.has_store = False

    with pytest.raises(StoreMisconfigured, match="no EngineStore exists"):
        await opened_by(kube).current()


async def test_a_store_whose_spec_alone_changed_keeps_its_connections():
    kube = FakeKube()
    stores = opened_by(kube)
    first = await stores.current()
    kube.spec = {"modelSources": []}

    second = await stores.current()

    assert second.objects is first.objects
    assert (first.spec.get("modelSources"), second.spec["modelSources"]) == (None, [])


async def test_a_secret_read_now_is_read_now():
    kube = FakeKube()
    stores = opened_by(kube)
    (store,) = await kube.list(STORES)
    assert (await stores.settings_of(store)).access_key == "AK"
    kube.access_key = "AK2"

    assert (await stores.settings_of(store)).access_key == "AK"
    assert (await stores.settings_of(store, fresh=True)).access_key == "AK2"
    assert (await stores.settings_of(store)).access_key == "AK2"


async def test_an_endpoint_that_is_no_address_is_misconfigured():
    kube = FakeKube()
    kube.endpoint = "http://s3..example.com"

    with pytest.raises(StoreMisconfigured, match="Invalid endpoint"):
        await opened_by(kube).current()
