"""
Engines that many pods ask for are looked at once in some seconds, and failures never remembered; those that a
registry is to have are looked for once an hour.
"""

import asyncio
import contextlib
import threading
from collections import Counter
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.engine.errors import NewerRelease, Reason
from ignition_hub.gateway.artifacts import images, verified_engines
from ignition_hub.gateway.artifacts.images import ImagePushing
from ignition_hub.gateway.artifacts.verified_engines import VerifiedEngines
from ignition_hub.gateway.cluster.turns import TurnTaken
from ignition_hub.gateway.process.image_list import ImageFile
from ignition_hub.registry.errors import RegistryRefused, RegistryUnavailable
from ignition_hub.registry.push import Pushed
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


RESOURCES = [
    {
        "metadata": {"name": name, "namespace": "vision", "generation": 1},
        "spec": {},
        "status": {
            "observedGeneration": 1,
            "targets": [
                {"state": "Ready", "gpuArch": "sm_89", "identity": "1", "uri": "s3://b/1", "sha256": name * 2}
            ],
        },
    }
    for name in "abcdef"
]
WITH_REGISTRY = SimpleNamespace(spec={"registry": {"repository": "registry.example.com"}}, settings="")


class OneRegistry:
    """A registry that has what was pushed; ``errors`` by repository, raised at every question."""

    def __init__(self):
        self.has, self.errors, self.asked, self.pushed = set(), {}, [], []

    def find(self, settings, name, manifest):
        self.asked.append(name)
        if name in self.errors:
            raise self.errors[name]
        return Pushed(f"{name}@sha256:1", new=False) if name in self.has else None

    def push(self, settings, name, manifest, store):
        there = self.find(settings, name, manifest)
        self.has.add(name)
        return there or Pushed(f"{name}@sha256:1", new=True)


@pytest.fixture
def registry(monkeypatch):
    one = OneRegistry()
    monkeypatch.setattr(images, "found_in", one.find)
    monkeypatch.setattr(images, "pushed_to", one.push)
    return one


@pytest.fixture
def pushing(tmp_path, monkeypatch, registry):
    class Kube:
        async def version(self):
            return (1, 36)

    counted = []
    made = ImagePushing(Kube(), "hub", ImageFile(tmp_path / "images.json"), None, counted.append)
    made.counted = counted

    async def manifest(store, wanted):
        return None

    monkeypatch.setattr(made, "_manifest", manifest)
    monkeypatch.setattr(made._turns, "one", contextlib.AsyncExitStack)
    yield made
    made.close()


def listed(pushing):
    return sorted(pushing._file.read().of("vision"))


async def test_what_the_registry_lacks_is_pushed_once_and_a_pass_at_rest_asks_nothing(pushing, registry):
    registry.has = {"vision/a", "vision/b"}
    await pushing.look(RESOURCES, WITH_REGISTRY)
    asked = len(registry.asked)
    await pushing.look(RESOURCES, WITH_REGISTRY)

    assert listed(pushing) == list("abcdef")
    assert pushing.counted == ["pushed"] * 4
    assert len(registry.asked) == asked == 6 + 4


async def test_an_engine_that_is_refused_is_left_alone_and_hinders_no_other(pushing, registry):
    registry.errors = {"vision/a": RegistryRefused("denied", "ask")}
    for _ in range(3):
        await pushing.look(RESOURCES, WITH_REGISTRY)

    assert listed(pushing) == list("bcdef")
    assert registry.asked.count("vision/a") == 1
    assert pushing.counted.count("failed") == 1


async def test_a_registry_that_is_away_is_asked_little_and_what_it_had_stays_listed(pushing, registry):
    await pushing.look(RESOURCES, WITH_REGISTRY)
    pushing._rests.clear()
    registry.asked.clear()
    registry.errors = {f"vision/{name}": RegistryUnavailable("away") for name in "abcdef"}
    await pushing.look(RESOURCES, WITH_REGISTRY)

    assert listed(pushing) == list("abcdef")
    assert len(registry.asked) == 2 * images.MOST_FAILURES

    registry.errors.clear()
    registry.has.clear()
    await pushing.look(RESOURCES[:2], WITH_REGISTRY)
    assert listed(pushing) == ["a", "b"]
    assert registry.has == {"vision/a", "vision/b"}


async def test_a_replica_that_waits_for_its_turn_pushes_at_once_when_it_has_it(
    pushing, registry, monkeypatch
):
    @contextlib.asynccontextmanager
    async def taken():
        raise TurnTaken(Reason.GatewayUnavailable, "another replica is pushing images", "")
        yield

    free = pushing._turns.one
    monkeypatch.setattr(pushing._turns, "one", taken)
    for _ in range(20):
        await pushing.look(RESOURCES, WITH_REGISTRY)
    monkeypatch.setattr(pushing._turns, "one", free)
    await pushing.look(RESOURCES, WITH_REGISTRY)

    assert listed(pushing) == list("abcdef")


@pytest.fixture
def gateway_timeouts(monkeypatch, registry):
    """The repositories whose uploads a proxy before the registry ends."""
    names = set()

    def push(settings, name, manifest, store):
        if name in names:
            registry.pushed.append(name)
            raise RegistryUnavailable(f"r did not upload to {name}: it answered 504 Gateway Timeout")
        return registry.push(settings, name, manifest, store)

    monkeypatch.setattr(images, "pushed_to", push)
    return names


async def test_engines_that_cannot_be_pushed_in_time_hinder_no_other_and_are_pushed_ever_less_often(
    pushing, registry, gateway_timeouts
):
    gateway_timeouts |= {"vision/a", "vision/b", "vision/c"}
    for _ in range(20):
        await pushing.look(RESOURCES, WITH_REGISTRY)

    assert listed(pushing) == list("def")
    assert Counter(registry.pushed) == {"vision/a": 2, "vision/b": 2, "vision/c": 2}


async def test_an_engine_that_another_pushed_is_listed_while_its_own_push_rests(
    pushing, registry, gateway_timeouts
):
    gateway_timeouts.add("vision/a")
    for _ in range(3):
        await pushing.look(RESOURCES, WITH_REGISTRY)
    registry.has.add("vision/a")
    await pushing.look(RESOURCES, WITH_REGISTRY)

    assert listed(pushing) == list("abcdef")


async def test_engines_that_fail_after_a_long_outage_do_not_go_before_those_that_failed_in_it(
    pushing, registry
):
    registry.errors = {f"vision/{name}": RegistryUnavailable("away") for name in "def"}
    for _ in range(9):
        await pushing.look(RESOURCES[3:], WITH_REGISTRY)
    registry.errors = {f"vision/{name}": RegistryUnavailable("away") for name in "abc"}
    registry.has = {f"vision/{name}" for name in "def"}
    for _ in range(2):
        await pushing.look(RESOURCES, WITH_REGISTRY)

    assert listed(pushing) == list("def")


async def test_manifests_of_a_later_release_hinder_no_other_and_are_read_again_in_minutes(
    pushing, registry, monkeypatch
):
    read = []

    async def manifest(store, wanted):
        read.append(wanted.name)
        if wanted.name in "abc":
            raise NewerRelease("Manifest.version: 2")

    monkeypatch.setattr(pushing, "_manifest", manifest)
    for _ in range(3):
        await pushing.look(RESOURCES, WITH_REGISTRY)

    assert listed(pushing) == list("def")
    assert "".join(read) == "abcdefdef"
    assert pushing.counted == ["pushed"] * 3


async def test_an_api_server_without_image_volumes_is_told_of(pushing, registry):
    async def version():
        return (1, 34)

    pushing._kube.version = version
    await pushing.look(RESOURCES, WITH_REGISTRY)

    assert pushing._file.read().trouble == ("the API server is Kubernetes 1.34, and image volumes need 1.35")


async def test_an_engine_store_without_a_registry_has_no_images(pushing, registry):
    await pushing.look(RESOURCES, WITH_REGISTRY)
    await pushing.look(RESOURCES, SimpleNamespace(spec={}))

    assert listed(pushing) == []
    assert pushing._file.read().trouble == "the EngineStore names no registry"
