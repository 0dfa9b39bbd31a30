"""What a real S3 server does with what the hub relies on."""

import os
import time

import pytest

from ignition_hub.controller.policy.store_status import Heard, Probe, store_status
from ignition_hub.engine.store_findings import StoreReason
from ignition_hub.gateway.artifacts.store_watch import findings_of
from ignition_hub.store import request_questions
from ignition_hub.store.errors import BucketMissing
from ignition_hub.store.habits import LEFT_BEHIND, Relied, habits_of
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.settings import StoreSettings
from s3server import CHOSEN, S3Server

pytestmark = pytest.mark.cluster


def opened(s3, bucket="engines"):
    return ObjectStore(
        StoreSettings(
            endpoint=s3.endpoint,
            bucket=bucket,
            prefix="ignition",
            access_key=s3.access_key,
            secret_key=s3.secret_key,
        )
    )


@pytest.fixture(scope="module")
def s3():
    with S3Server.start() as s3:
        s3.create_bucket("engines")
        yield s3


def conditions_of(store, told):
    """Return what the EngineStore says of a server with these habits."""
    place, heard = store.settings, Heard((findings_of(store.settings, told),))
    s3 = {"endpoint": place.endpoint, "bucket": place.bucket, "prefix": place.prefix}
    body = {"metadata": {"name": "main", "generation": 1}, "spec": {"s3": s3}}
    reads = Probe(StoreReason.BUCKET_REACHABLE)
    status = store_status(body, reads, default="main", now="", heard=heard)
    return {one["type"]: one["status"] for one in status["conditions"]}


def test_a_server_is_asked_for_everything_the_hub_relies_on_and_nothing_stays(s3, monkeypatch):
    monkeypatch.setattr(request_questions, "SECONDS", 30)
    store = opened(s3)

    told = habits_of(store)

    assert CHOSEN.lacks <= {habit.relied for habit in told.broken} <= CHOSEN.lacks | CHOSEN.may_lack
    assert conditions_of(store, told) == {"Ready": "True", "ConditionalWrites": str(told.are_conditional)}
    assert [habit.relied for habit in told.all] == list(Relied)
    assert list(store.every("ignition/probes/")) == []
    store.close()


def test_what_a_probe_left_that_was_cut_off_goes_an_hour_later(s3):
    store, folder = opened(s3), s3.folder / "data" / "engines"
    for name in ("old", "fresh"):
        store.put(f"ignition/probes/{name}/new", b"first")
    before = time.time() - LEFT_BEHIND.total_seconds() - 60
    os.utime(folder / "ignition/probes/old/new", (before, before))

    habits_of(store, (Relied.NEW,))

    assert [one.key for one in store.every("ignition/probes/")] == ["ignition/probes/fresh/new"]
    store.close()


def test_a_bucket_that_is_not_there_is_told_before_anything_is_written(s3):
    store = opened(s3, "nowhere")

    with pytest.raises(BucketMissing):
        habits_of(store)
    store.close()
