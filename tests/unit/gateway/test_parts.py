"""The gateway's small parts: threads, pace, certificate, flags, the store in use."""

import asyncio
import base64
import threading

import pytest

from gatewayprocess import write_certificate
from ignition_hub.engine.errors import TransientError
from ignition_hub.gateway.artifacts.stores import Stores
from ignition_hub.gateway.process.progress import ProgressThrottle
from ignition_hub.gateway.process.settings import parse_settings
from ignition_hub.gateway.process.workers import Workers
from ignition_hub.gateway.server import Certificate
from ignition_hub.kube import SECRETS, STORES, Unavailable
from ignition_hub.store.errors import StoreMisconfigured, StoreUnavailable


class Clock:
    """Time as a test wants it."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


async def test_more_calls_than_threads_and_waiting_places_are_sent_away_at_once():
    gate = threading.Event()
    workers = Workers(name="t", threads=1, waiting=1, deadline=30)
    running = [asyncio.create_task(workers.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)

    with pytest.raises(TransientError, match="are pending"):
        await workers.run(gate.wait)
    gate.set()

    assert await asyncio.gather(*running) == [True, True]
    await asyncio.sleep(0)
    assert workers.held == 0
    workers.close()


async def test_a_call_that_is_late_is_the_stores_fault_and_keeps_its_place_until_it_ends():
    gate = threading.Event()
    workers = Workers(name="t", threads=1, waiting=0, deadline=0.01)

    with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.01 s"):
        await workers.run(gate.wait)

    assert workers.held == 1
    gate.set()
    workers._pool.shutdown(wait=True)
    await asyncio.sleep(0.01)  # the thread has ended; its callback is next on the loop
    assert workers.held == 0
    workers.close()


async def test_the_error_of_a_call_reaches_its_caller():
    def fail():
        raise StoreMisconfigured("no bucket")

    workers = Workers(name="t", threads=1, waiting=0, deadline=5)
    with pytest.raises(StoreMisconfigured):
        await workers.run(fail)
    workers.close()


def test_one_report_per_job_in_five_seconds():
    clock = Clock()
    pace = ProgressThrottle(seconds=5, size=2, clock=clock)

    assert [pace.is_due("a"), pace.is_due("a"), pace.is_due("b")] == [True, False, True]
    clock.now += 5
    assert pace.is_due("a")


def test_a_pace_forgets_the_job_that_was_quiet_longest():
    pace = ProgressThrottle(seconds=5, size=2, clock=Clock())
    for job in "abc":
        pace.is_due(job)

    assert pace.is_due("a")
    assert not pace.is_due("c")


def test_a_renewed_certificate_is_loaded_and_a_broken_one_is_not(tmp_path, caplog):
    write_certificate(tmp_path)
    certificate = Certificate(tmp_path / "tls.crt", tmp_path / "tls.key")
    assert not certificate.reload_if_changed()

    write_certificate(tmp_path)
    assert certificate.reload_if_changed()

    (tmp_path / "tls.crt").write_text("not a certificate")
    assert not certificate.reload_if_changed()
    assert "keeping the old one" in caplog.text


def test_flags_win_over_the_environment_and_the_url_follows_the_namespace():
    environment = {"IGNITION_TLS_CERT": "/c", "IGNITION_TLS_KEY": "/k", "IGNITION_PORT": "1"}

    settings = parse_settings(
        ["--signing-key=/s", "--port=2", "--release-namespace=hub", "--previous-keys=/a,/b"], environment
    )

    assert (settings.port, str(settings.tls_cert)) == (2, "/c")
    assert settings.gateway_url == "https://ignition-hub-gateway.hub.svc:443"
    assert [str(path) for path in settings.previous_keys] == ["/a", "/b"]
    assert settings.ca_bundle is None


def test_a_flag_that_lacks_is_named(capsys):
    with pytest.raises(SystemExit):
        parse_settings([], {})

    assert "--tls-cert" in capsys.readouterr().err


class FakeKube:
    """One EngineStore and its Secret, until it is away."""

    def __init__(self):
        self.away = False
        self.access_key = "AK"
        self.has_store = True

    async def list(self, resource, namespace=None):
        assert resource is STORES
        if self.away:
            raise Unavailable(0, "connection refused")
        s3 = {"endpoint": "http://127.0.0.1:9", "bucket": "b", "credentialsSecretRef": {"name": "s"}}
        return [{"metadata": {"name": "default"}, "spec": {"s3": s3}}] if self.has_store else []

    async def get(self, resource, name, namespace=None):
        assert (resource, name, namespace) == (SECRETS, "s", "hub")
        data = {"accessKey": self.access_key, "secretKey": "SK"}
        return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}}


def reopened(stores):
    stores._answers.forget("default")
    return stores


async def test_the_store_that_was_read_last_stays_in_use_while_the_api_server_is_away():
    kube = FakeKube()
    stores = Stores(kube, "hub")
    first = await stores.current()
    kube.away = True

    assert await reopened(stores).current() is first


async def test_a_store_never_read_cannot_be_used():
    kube = FakeKube()
    kube.away = True

    with pytest.raises(Unavailable):
        await Stores(kube, "hub").current()


async def test_new_credentials_open_the_store_anew_and_the_same_ones_do_not():
    kube = FakeKube()
    stores = Stores(kube, "hub")
    first = (await stores.current()).objects
    assert (await reopened(stores).current()).objects is first

    kube.access_key = "AK2"

    assert (await reopened(stores).current()).objects is not first


async def test_without_an_engine_store_there_is_no_trouble_with_the_api_server():
    kube = FakeKube()
    kube.has_store = False
    stores = Stores(kube, "hub")

    assert await stores.api_trouble() is None
    with pytest.raises(StoreMisconfigured, match="no EngineStore exists"):
        await stores.current()


async def test_an_api_server_that_is_away_is_trouble():
    kube = FakeKube()
    kube.away = True

    assert await Stores(kube, "hub").api_trouble() == "Kubernetes API request failed: connection refused"
