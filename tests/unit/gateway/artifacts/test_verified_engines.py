"""Engines that many pods ask for are looked at once in some seconds, and failures never remembered."""

import asyncio
import contextlib
import threading
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.gateway.artifacts import verified_engines
from ignition_hub.gateway.artifacts.verified_engines import VerifiedEngines
from ignition_hub.store.errors import ManifestRefused
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.publish import publish
from ignition_hub.store.trust import SigningKey
from ignition_hub.ttl_cache import TtlCache
from oddstore import odd_store
from storefixtures import make_manifest

STORE = SimpleNamespace(settings="one bucket")
OTHER = SimpleNamespace(settings="another bucket")


@pytest.fixture
def looked(monkeypatch):
    """The keys that were looked at; a key of "bent" is refused."""
    keys = []

    async def look(_workers, store, _keys, manifest_key, identity):
        keys.append((store.settings, manifest_key, identity))
        if manifest_key == "bent":
            raise ManifestRefused("bent")
        return f"manifest {len(keys)}", "url"

    monkeypatch.setattr(verified_engines, "looked_at", look)
    return keys


@pytest.fixture
def engines():
    workers = Workers(name="t", threads=2, waiting=10, deadline=5)
    yield VerifiedEngines({}, workers)
    workers.close()


async def test_many_that_ask_together_have_it_looked_at_once(engines, looked):
    answers = await asyncio.gather(*(engines.get(STORE, "a", "1") for _ in range(50)))

    assert set(answers) == {("manifest 1", "url")}
    assert looked == [("one bucket", "a", "1")]


async def test_another_bucket_key_or_identity_is_looked_at_by_itself(engines, looked):
    for store, key, identity in ((STORE, "a", "1"), (OTHER, "a", "1"), (STORE, "b", "1"), (STORE, "a", "2")):
        await engines.get(store, key, identity)

    assert len(looked) == 4


async def test_a_refusal_is_not_remembered(engines, looked):
    for _ in range(2):
        with pytest.raises(ManifestRefused):
            await engines.get(STORE, "bent", "1")

    assert len(looked) == 2


async def test_after_some_seconds_it_is_looked_at_again(engines, looked):
    now = 0.0
    engines._known = TtlCache(seconds=verified_engines.SECONDS, clock=lambda: now)
    await engines.get(STORE, "a", "1")
    now += 5.0
    await engines.get(STORE, "a", "1")

    assert len(looked) == 2


async def test_who_knows_of_a_rebuild_has_it_looked_at_again_and_the_others_get_that_too(engines, looked):
    await engines.get(STORE, "a", "1")

    assert await engines.get(STORE, "a", "1", again=True) == ("manifest 2", "url")
    assert await engines.get(STORE, "a", "1") == ("manifest 2", "url")
    assert len(looked) == 2


async def test_a_hit_takes_two_round_trips_to_the_store_and_one_that_is_known_takes_none():
    key, together = SigningKey(Ed25519PrivateKey.generate()), threading.Barrier(2, timeout=5)
    keys, workers = {key.keyid: key.public}, Workers(name="t", threads=2, waiting=10, deadline=20)
    with odd_store() as server, contextlib.closing(ObjectStore(server.settings())) as store:
        manifest = make_manifest()
        server.objects["engines", manifest.engine.key] = bytes(manifest.engine.size)
        published = publish(store, key, keys, manifest)
        manifest = published.manifest
        second = {manifest.provenance_key, manifest.engine.key}
        # Neither is answered before both are asked.
        server.oddities.before = lambda _, asked: asked in second and together.wait()
        engines, opened = VerifiedEngines(keys, workers), OpenStore(store, {}, store.settings)
        server.asked.clear()

        found, _ = await engines.get(opened, published.manifest_key, manifest.identity)
        asked = list(server.asked)
        await engines.get(opened, published.manifest_key, manifest.identity)
    workers.close()

    assert found == manifest
    assert asked[0] == ("GET", published.manifest_key)
    assert sorted(asked[1:]) == [("GET", manifest.provenance_key), ("HEAD", manifest.engine.key)]
    assert server.asked == asked
