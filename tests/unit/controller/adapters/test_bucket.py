"""Whole models are read in turns of the namespaces that pin them; gateways are heard one after another."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ignition_hub.buckets.workers import Workers
from ignition_hub.controller.adapters import gateway_findings
from ignition_hub.controller.adapters.bucket import HASHING_THREADS, Bucket, hashing_turns
from ignition_hub.controller.adapters.gateway_findings import REMEMBERED, GatewayFindings
from ignition_hub.controller.policy.store_status import Heard
from ignition_hub.engine.store_findings import BucketPlace, StoreFindings, StoreReason, WritesReason


class Objects:
    """Holds every model until the gate opens, and notes which is being read."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Semaphore(0)
        self.reading: list[str] = []

    def digest(self, key: str, *, bucket: str) -> tuple[str, int]:
        self.reading.append(key)
        self.begun.release()
        assert self.gate.wait(10)
        return key, len(bucket)


async def test_a_namespace_that_has_many_models_read_leaves_a_thread_to_the_others() -> None:
    objects: Any = Objects()
    opened: Any = SimpleNamespace(spec={}, objects=objects)
    keys: Any = None
    workers = Workers(name="digest", threads=HASHING_THREADS, waiting=9, deadline=30)
    bucket = Bucket(opened, keys, workers, workers, hashing_turns())
    uris = [("big", f"s3://models/big-{number}") for number in range(3)] + [("small", "s3://models/small")]
    reads = [asyncio.create_task(bucket.digest(*one)) for one in uris]
    for _ in range(HASHING_THREADS):
        assert await asyncio.to_thread(objects.begun.acquire, timeout=10)

    assert set(objects.reading) == {"big-0", "small"}
    objects.gate.set()
    assert await asyncio.gather(*reads) == ["big-0", "big-1", "big-2", "small"]
    workers.close()


class Gateways:
    """Replicas that answer one after another, or none at all."""

    def __init__(self) -> None:
        self.answers: list[Any] = []
        self.sent: list[dict[str, str]] = []

    def say(self, replica: str, bucket: str = "engines") -> None:
        place = BucketPlace("https://s3", "us-east-1", bucket, "ignition")
        reason = StoreReason.BUCKET_REACHABLE
        self.answers.append(StoreFindings(replica, place, reason, "", True, ("a",), (), ()).to_json())

    async def answer(self, url: str, _ca: Any, headers: dict[str, str]) -> Any:
        self.sent.append({"url": url, **headers})
        if not self.answers:
            raise TimeoutError
        return self.answers.pop(0)


@pytest.fixture
def gateways(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gateways]:
    gateways = Gateways()
    monkeypatch.setattr(gateway_findings, "answer_of", gateways.answer)
    return gateways


def engine_store(bucket: str = "engines") -> dict[str, Any]:
    return {"spec": {"s3": {"endpoint": "https://s3", "bucket": bucket, "prefix": "ignition"}}}


def replicas(heard: Heard) -> list[str]:
    return [one.replica for one in heard.findings]


@pytest.fixture
def token(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("a token\n")
    return tmp_path / "token"


async def test_each_gateway_counts_for_ten_minutes_after_it_was_heard(gateways: Any, token: Path) -> None:
    now = 0.0
    findings = GatewayFindings("https://hub/", None, token, clock=lambda: now)
    gateways.say("g-0")
    gateways.say("g-1")

    assert replicas(await findings.heard(engine_store())) == ["g-0"]
    now = 60.0
    both = await findings.heard(engine_store())
    assert (replicas(both), both.is_settled) == (["g-0", "g-1"], False)
    now = REMEMBERED
    later = await findings.heard(engine_store())
    assert (replicas(later), later.is_settled) == (["g-1"], True)
    now = REMEMBERED + 60.0
    gone = await findings.heard(engine_store())
    assert (gone.findings, gone.reason) == ((), WritesReason.GATEWAY_UNREACHABLE)
    assert gone.trouble == "https://hub/v1/store does not answer: TimeoutError"
    assert gateways.sent[0] == {"url": "https://hub/v1/store", "Authorization": "Bearer a token"}


async def test_what_a_gateway_found_of_another_bucket_counts_for_nothing(gateways: Any, token: Path) -> None:
    findings = GatewayFindings("https://hub", None, token)
    for bucket in ("engines", "others", "others"):
        gateways.say("g-0", bucket)

    assert replicas(await findings.heard(engine_store())) == ["g-0"]
    assert replicas(await findings.heard(engine_store())) == ["g-0"]
    behind = await findings.heard(engine_store("new"))
    assert (behind.findings, behind.reason) == ((), WritesReason.NOT_PROBED)
    assert behind.trouble == "no gateway has looked at this bucket yet"


async def test_a_token_that_cannot_be_read_is_told_and_without_one_no_gateway_is_asked(
    gateways: Any, tmp_path: Path
) -> None:
    missing = await GatewayFindings("https://hub", None, tmp_path / "none").heard(engine_store())
    without = await GatewayFindings("https://hub", None, None).heard(engine_store())

    assert (missing.reason, without.reason) == (WritesReason.GATEWAY_UNREACHABLE, WritesReason.NOT_PROBED)
    assert "No such file" in missing.trouble
    assert gateways.sent == []
