"""Engines that many pods ask for are looked at once in some seconds, and failures never remembered."""

import asyncio
from types import SimpleNamespace

import pytest

from ignition_hub.buckets.workers import Workers
from ignition_hub.gateway.artifacts import verified_engines
from ignition_hub.gateway.artifacts.verified_engines import VerifiedEngines
from ignition_hub.store.errors import ManifestRefused
from ignition_hub.ttl_cache import TtlCache

STORE = SimpleNamespace(settings="one bucket")
OTHER = SimpleNamespace(settings="another bucket")


@pytest.fixture
def looked(monkeypatch):
    """The keys that were looked at; a key of "bent" is refused."""
    keys = []

    def look(store, _, manifest_key, identity):
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
