"""
What a fetcher is answered: the document that others are tested with, bounded, of a whole engine.

And what the event on its pod says.
"""

import asyncio
from collections import Counter
from contextlib import suppress
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fakeruntime import Engine
from ignition_hub.compatibility.engine_choice import EngineNotReady, NoEngineForGPU, ready_for
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.inventory import Belief
from ignition_hub.compatibility.loading import Loading
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.errors import NewerRelease
from ignition_hub.fetch.gateway import LARGEST_ANSWER
from ignition_hub.gateway.artifacts import engine_search
from ignition_hub.gateway.artifacts.engine_query import EngineQuery, chosen_for
from ignition_hub.gateway.artifacts.engine_search import MOST_TRIED, Chosen, locate
from ignition_hub.gateway.cluster.pod_events import REMEMBERED, WAITING, PodEvents, engine_chosen, no_engine
from ignition_hub.gateway.documents import FACTS_BYTES, bounded
from ignition_hub.gateway.routes.resolve import ANSWER_BYTES, _answer, encoded
from ignition_hub.kube import EVENTS, Conflict, TokenUser, Unavailable
from ignition_hub.store.errors import AccessDenied, ManifestRefused, StoreUnavailable
from ignition_hub.store.find import DOCUMENT_BYTES
from ignition_hub.store.trust import SigningKey, sign
from resolvedanswers import SELECTION, STORE, resolved
from storefixtures import make_facts, make_inputs, make_manifest

L4 = NodeGpu("sm_89", "NVIDIA-L4", mig=None)
REQUEST_BYTES = 256 * 1024
"""What Kubernetes takes as annotations, of which the request is one: the inputs have less."""


@pytest.fixture(scope="module")
def signing_key():
    return SigningKey(Ed25519PrivateKey.generate())


def answered(manifest, url="url"):
    [query] = queries(1)
    return _answer("resnet", Chosen(query, manifest, url, Loading(level="Exact", message="")), SELECTION)


def test_the_gateways_answer_is_the_document_that_others_are_tested_with():
    manifest = Engine().manifest

    assert answered(manifest, f"{STORE}/resnet.trt") == resolved("resnet", L4, manifest)


def test_a_pod_gets_what_loading_takes_and_not_the_account_of_the_build():
    facts = make_facts(
        gpu={"name": "NVIDIA L4", "sm_count": 58},
        engine_io={"inputs": [], "outputs": []},
        cuda_version="12.9",
        profiles=({"shapes": {}},),
        model={"sha256": "cd" * 32, "inputs": [], "external_data": [{"name": "w", "size": 1}]},
        parser_messages=("node /decoder/secret",),
        converter={"proof": {"outputs": []}},
        accuracy={"outputs": []},
        benchmark={"latency": 1},
        warnings=({"code": "Int64Clamped", "count": 2},),
        timing_cache={"missed": 4},
        environment={"kernel": "6.1"},
    )
    manifest = replace(make_manifest(), build=facts)

    build = answered(manifest)["manifest"]["build"]

    kept = ("gpu", "engine_io", "cuda_version", "profiles", "flavor", "tensorrt_version")
    assert {name: build[name] for name in kept} == {name: facts.to_json()[name] for name in kept}
    assert build["model"] == {"sha256": "cd" * 32, "inputs": []}
    assert not any(
        build[name] for name in ("parser_messages", "converter", "accuracy", "benchmark", "warnings")
    )
    assert not build.get("timing_cache")
    assert not build.get("environment")


def test_the_largest_account_that_is_accepted_is_read_by_everybody(signing_key):
    room = FACTS_BYTES - len(canonical_json(make_facts(profiles=("",)).to_json()))
    facts = bounded(make_facts(profiles=("é" * (room // 2),)))
    inputs = make_inputs(options={"plugins": "x" * REQUEST_BYTES})
    manifest = replace(make_manifest(inputs=inputs), build=facts)

    answer = encoded(answered(manifest))

    assert FACTS_BYTES < len(answer) <= ANSWER_BYTES == LARGEST_ANSWER
    assert len(sign(manifest, manifest.to_bytes(), signing_key)) <= DOCUMENT_BYTES


def test_an_answer_that_no_fetcher_would_read_is_refused():
    with pytest.raises(ManifestRefused, match=f"fetchers read {ANSWER_BYTES}"):
        encoded({"manifest": "x" * ANSWER_BYTES})


def queries(number):
    targets = [
        {
            "name": f"t{index}",
            "state": "Ready",
            "gpuArch": "sm_89",
            "identity": "00",
            "uri": f"s3://b/{index}",
        }
        for index in range(number)
    ]
    engine = {"metadata": {"name": "resnet"}, "spec": {}, "status": {"targets": targets}}
    return [EngineQuery(choice, L4, {}, "vision") for choice in ready_for(engine, L4)]


def test_what_is_not_known_of_the_gpu_is_said_with_its_remedy():
    engine = {"metadata": {"name": "resnet"}, "spec": {}, "status": {"targets": [READY_ON_L4]}}
    doubt = {"doubt": "no label tells the product", "remedy": "label it"}

    with pytest.raises(NoEngineForGPU, match="node n: no label tells the product") as nothing:
        chosen_for(engine, Belief(gpu=None, **doubt), "n")
    with pytest.raises(NoEngineForGPU, match=r"alone.*|for sm_89.*; node n: no label tells") as half:
        chosen_for(engine, Belief(gpu=NodeGpu("sm_89", None, None), **doubt), "n")

    assert nothing.value.remedy == "label it"
    assert half.value.remedy.startswith("label it, or add a target {gpuArch: sm_89}")
    assert chosen_for(engine, Belief(gpu=L4), "n")[0] == L4


READY_ON_L4 = {
    "name": "l4",
    "state": "Ready",
    "gpuArch": "sm_89",
    "product": "NVIDIA-L4",
    "compatibility": "Product",
    "identity": "00",
    "uri": "s3://b/0",
}


async def located(monkeypatch, number, errors):
    """Look for an engine where some targets have errors; return what was found and which were looked at."""
    tried = []

    def key(store, wanted):
        tried.append(wanted.candidate.name)
        return wanted.candidate.name

    class Engines:
        async def get(self, store, manifest_key, identity):
            if manifest_key in errors:
                raise errors[manifest_key]
            return manifest_key, "url"

    monkeypatch.setattr(engine_search, "manifest_key_in", key)
    monkeypatch.setattr(EngineQuery, "require", lambda self, manifest: None)
    try:
        return (await locate(Engines(), None, queries(number))).manifest, tried
    except (ManifestRefused, EngineNotReady, StoreUnavailable, AccessDenied) as error:
        return error, tried


async def test_a_damaged_or_lost_engine_does_not_hide_the_next_that_loads(monkeypatch):
    errors = {"t0": ManifestRefused("bent"), "t1": EngineNotReady("gone"), "t2": NewerRelease("of 0.2.0")}

    assert await located(monkeypatch, 4, errors) == ("t3", ["t0", "t1", "t2", "t3"])


async def test_an_engine_that_the_store_denies_does_not_hide_the_next_and_all_denied_say_so(monkeypatch):
    denied = AccessDenied("the policy of the bucket")

    assert await located(monkeypatch, 2, {"t0": denied}) == ("t1", ["t0", "t1"])
    assert await located(monkeypatch, 2, {"t0": denied, "t1": AccessDenied("too")}) == (denied, ["t0", "t1"])


async def test_what_was_passed_over_and_what_is_known_of_the_gpu_is_said(monkeypatch):
    monkeypatch.setattr(engine_search, "manifest_key_in", lambda store, wanted: wanted.candidate.name)
    monkeypatch.setattr(
        EngineQuery, "require", lambda *_: Loading(level="SameCapability", message="built for every sm_89")
    )

    class Engines:
        async def get(self, store, manifest_key, identity):
            if manifest_key == "t0":
                raise ManifestRefused("its signature does not hold: " + "x" * 5000)
            return BEFORE, "url"

    chosen = await locate(Engines(), None, [replace(one, gpu=SIZED) for one in queries(2)])
    words = chosen.explained(Belief(gpu=L4, source="the node's label", doubt="no label tells it")).in_words()

    assert words.startswith(
        "target t1 for NVIDIA-L4 (sm_89), 23034 MiB, 58 multiprocessors, known from the node's label "
        "(no label tells it); built for every sm_89; passed over: target t0: its signature does not hold: xx"
    )
    assert len(words) < 500


SIZED = replace(L4, memory_bytes=23034 << 20, multiprocessors=58)


async def test_where_no_engine_is_whole_the_error_is_that_of_the_best(monkeypatch):
    best = ManifestRefused("bent")
    errors = {f"t{index}": EngineNotReady("gone") for index in range(9)} | {"t0": best}

    assert await located(monkeypatch, 9, errors) == (best, ["t0", "t1", "t2", "t3"])
    assert MOST_TRIED == 4


async def test_a_store_that_is_away_gives_nobody_a_lesser_engine(monkeypatch):
    away = StoreUnavailable("away")

    assert await located(monkeypatch, 2, {"t0": away}) == (away, ["t0"])


async def remembered(monkeypatch, *manifests):
    """Look for an engine whose status knows of a rebuild, in a gateway that remembers the first manifest."""
    monkeypatch.setattr(engine_search, "manifest_key_in", lambda store, wanted: "key")
    newest = {"identity": "00", "sha256": "cd" * 32, "builtAt": "2026-01-02T03:04:06Z"}
    target = {"state": "Ready", "gpuArch": "sm_89", "identity": "00", "uri": "s3://b/0", "newest": newest}
    engine = {"metadata": {"name": "resnet"}, "spec": {}, "status": {"targets": [target]}}

    class Engines:
        async def get(self, store, manifest_key, identity, *, again=False):
            return manifests[again], "url"

    [query] = [EngineQuery(choice, L4, SPEC, "vision") for choice in ready_for(engine, L4)]
    return (await locate(Engines(), None, [query])).manifest


SPEC = {
    "model": {"name": "resnet50", "version": "v1", "source": {"uri": "s3://models/a"}},
    "precision": "fp16",
}
BEFORE = make_manifest(built_at="2026-01-02T03:04:05Z")
AFTER = make_manifest(built_at="2026-01-02T03:04:06Z", sha256="cd" * 32)


async def test_what_is_remembered_of_before_a_rebuild_is_looked_at_again(monkeypatch):
    assert await remembered(monkeypatch, BEFORE, AFTER) == AFTER


@pytest.mark.parametrize(
    "there", [BEFORE, replace(BEFORE, built_at=AFTER.built_at)], ids=["earlier", "a tie"]
)
async def test_an_engine_that_was_replaced_is_refused_when_it_is_what_the_store_has(monkeypatch, there):
    with pytest.raises(ManifestRefused, match="was put back"):
        await remembered(monkeypatch, there, there)


POD = TokenUser(
    "system:serviceaccount:vision:default", "u", (), {}, "vision", "default", "serving-1", "7", "n"
)


class Recording:
    """Keeps the events that are created; ``answers`` are raised, one for each."""

    def __init__(self, *answers):
        self.events, self.answers = [], list(answers)

    async def create(self, resource, body, namespace):
        assert (resource, namespace) == (EVENTS, "vision")
        self.events.append(body)
        if self.answers and (answer := self.answers.pop(0)):
            raise answer


async def told(kube, *tellings):
    """Tell what each pod got, post all of it, and return what became of the events."""
    became = Counter()
    events = PodEvents(kube, lambda outcome: became.update([outcome]))
    for telling in tellings:
        events.tell(*telling)
    with suppress(TimeoutError):
        await asyncio.wait_for(events.follow(), 0.05)
    return dict(became)


GOT = (POD, engine_chosen("resnet", "ab" * 32, SELECTION))


async def test_a_pod_is_told_once_which_engine_it_got_and_again_when_it_is_another():
    kube = Recording()

    became = await told(kube, GOT, GOT, (POD, engine_chosen("resnet", "cd" * 32, SELECTION)), GOT)

    assert became == {"posted": 2}
    first, second = kube.events
    assert first["metadata"]["name"] != second["metadata"]["name"]
    assert first["note"] == f"resnet: {SELECTION.in_words()}"
    assert first["regarding"] == {
        "apiVersion": "v1", "kind": "Pod", "name": "serving-1", "namespace": "vision", "uid": "7"
    }  # fmt: skip


async def test_a_pod_without_an_engine_is_warned_once_for_each_cause():
    kube = Recording()
    errors = [NoEngineForGPU("the node tells nothing\n" + "x" * 5000, "label it"), NoEngineForGPU("failed")]

    assert await told(kube, *((POD, no_engine("resnet", one)) for one in (*errors, *errors))) == {"posted": 2}
    first, second = kube.events
    assert (first["reason"], first["type"], second["note"]) == ("NoEngineForGPU", "Warning", "resnet: failed")
    assert first["note"].startswith("resnet: the node tells nothing xx")
    assert len(first["note"]) <= 1024


async def test_an_event_that_another_replica_posted_or_that_fails_keeps_none_back():
    kube = Recording(Conflict(409, "exists"), Unavailable(0, "away"), None)
    pods = [(replace(POD, pod_uid=uid), GOT[1]) for uid in "123"]

    assert await told(kube, *pods) == {"failed": 1, "posted": 1}
    assert len({event["metadata"]["name"] for event in kube.events}) == 3


async def test_what_thousands_of_pods_would_be_told_is_bounded():
    kube = Recording()
    pods = [(replace(POD, pod_uid=str(number)), GOT[1]) for number in range(WAITING + 3)]

    assert await told(kube, *pods) == {"dropped": 3, "posted": WAITING}
    assert REMEMBERED > WAITING
