"""What does not exist is created, what exists is kept, and the authority reaches its readers."""

import asyncio
from base64 import b64decode
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography import x509

from fakekube import FakeKube
from ignition_hub.bootstrap.authority import WEBHOOKS, publish_authority
from ignition_hub.bootstrap.keys import Wanted, make_missing_keys
from ignition_hub.bootstrap.objects import CONFIG_MAPS
from ignition_hub.kube import SECRETS

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ALL = Wanted(
    namespace="hub",
    signing_key="signing",
    store_keys="store",
    authority="ca",
    certificate="tls",
    hosts=("gateway.hub.svc",),
)


async def data(kube, name):
    found = await kube.get(SECRETS, name, "hub")
    return {key: b64decode(value) for key, value in found["data"].items()}


async def test_every_secret_is_created_once_and_kept_ever_after():
    kube = FakeKube()
    await make_missing_keys(kube, ALL, NOW)
    made = {name: await data(kube, name) for name in ("signing", "store", "ca", "tls")}
    first = len(kube.writes)

    await make_missing_keys(kube, ALL, NOW)

    assert {name: await data(kube, name) for name in made} == made
    # The published certificate is patched to what it is, which the API server does not count as a change.
    assert kube.writes[first:] == [("patch", ("configmaps", "hub", "ignition-hub-ca"))]
    assert made["tls"]["ca.crt"] == made["ca"]["tls.crt"]


async def test_two_at_once_end_with_one_key_and_one_authority():
    kube = FakeKube()

    await asyncio.gather(*(make_missing_keys(kube, ALL, NOW) for _ in range(8)))

    created = [key for verb, key in kube.writes if verb == "create"]
    assert len(created) == len(set(created)) == 5
    assert (await data(kube, "tls"))["ca.crt"] == (await data(kube, "ca"))["tls.crt"]


async def test_only_what_is_named_is_made():
    kube = FakeKube()

    await make_missing_keys(kube, Wanted(namespace="hub", signing_key="signing"), NOW)

    assert kube.writes == [("create", ("secrets", "hub", "signing"))]


async def test_a_certificate_of_another_authority_is_replaced():
    kube = FakeKube()
    await make_missing_keys(kube, ALL, NOW)
    before = await data(kube, "tls")
    del kube.objects["secrets", "hub", "ca"]

    await make_missing_keys(kube, ALL, NOW)

    authority = (await data(kube, "ca"))["tls.crt"]
    assert (await data(kube, "tls"))["ca.crt"] == authority != before["ca.crt"]
    assert kube.objects["configmaps", "hub", "ignition-hub-ca"]["data"]["ca.crt"].encode() == authority


async def test_the_node_cache_gets_a_certificate_of_its_own_by_the_same_authority():
    kube = FakeKube()
    wanted = replace(ALL, node_cache_certificate="cache", node_cache_host="cache.hub.svc")

    await make_missing_keys(kube, wanted, NOW)

    cache, gateway = await data(kube, "cache"), await data(kube, "tls")
    assert cache["ca.crt"] == gateway["ca.crt"]
    assert cache["tls.key"] != gateway["tls.key"]
    names = x509.load_pem_x509_certificate(cache["tls.crt"]).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    assert names.value.get_values_for_type(x509.DNSName) == ["cache.hub.svc"]


async def test_an_authority_without_its_key_is_named():
    kube = FakeKube()
    await kube.create(SECRETS, {"metadata": {"name": "ca"}, "data": {}}, "hub")

    with pytest.raises(ValueError, match="Secret ca in namespace hub has no tls"):
        await make_missing_keys(kube, ALL, NOW)


def webhook(**client):
    service = {"name": "ignition-hub-gateway", "namespace": "hub", "path": "/mutate"}
    hooks = [{"name": "inject.ignitionhub.io", "clientConfig": {"service": service} | client}]
    return {"metadata": {"name": "ignition-hub"}, "webhooks": hooks}


async def test_the_authority_reaches_the_builders_and_the_webhook():
    kube = FakeKube()
    await make_missing_keys(kube, ALL, NOW)
    await kube.create(WEBHOOKS, webhook())

    await publish_authority(kube, namespace="hub", build_namespace="builds", webhook="ignition-hub")

    authority = (await data(kube, "ca"))["tls.crt"]
    published = await kube.get(CONFIG_MAPS, "ignition-hub-ca", "builds")
    assert published["data"]["ca.crt"].encode() == authority
    client = (await kube.get(WEBHOOKS, "ignition-hub"))["webhooks"][0]["clientConfig"]
    assert b64decode(client["caBundle"]) == authority
    assert client["service"]["path"] == "/mutate"


async def test_a_webhook_that_knows_the_authority_is_not_written():
    kube = FakeKube()
    await make_missing_keys(kube, ALL, NOW)
    await kube.create(WEBHOOKS, webhook())
    for _ in range(2):
        await publish_authority(kube, namespace="hub", build_namespace="builds", webhook="ignition-hub")

    assert [verb for verb, key in kube.writes if key[0] == WEBHOOKS.plural] == ["create", "patch"]


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        (
            ("configmaps", "hub", "ignition-hub-ca"),
            "ConfigMap ignition-hub-ca in namespace hub does not exist",
        ),
        ((WEBHOOKS.plural, None, "ignition-hub"), "MutatingWebhookConfiguration ignition-hub does not exist"),
    ],
)
async def test_what_is_missing_for_publishing_is_named(gone, said):
    kube = FakeKube()
    await make_missing_keys(kube, ALL, NOW)
    await kube.create(WEBHOOKS, webhook())
    del kube.objects[gone]

    with pytest.raises(ValueError, match=said):
        await publish_authority(kube, namespace="hub", build_namespace="builds", webhook="ignition-hub")
