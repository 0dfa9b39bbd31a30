"""``ignition inspect s3://…`` against a real S3 server: only the header is read, and signatures count."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from commandline import exit_code_of
from fakeruntime import Engine
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.trust import SigningKey, keys_to_json, sign
from s3server import S3Server

pytestmark = pytest.mark.cluster

Inspect = Callable[..., tuple[int, str, str]]
ENGINE = Engine(body=b"kernels" * 1_000_000)
KEY = SigningKey(Ed25519PrivateKey.generate())
MANIFEST = ENGINE.manifest
MANIFEST_KEY = MANIFEST.engine.key.rpartition("/")[0].rpartition("/")[0] + (
    f"/{MANIFEST.engine.key.rpartition('/')[2]}.json"
)
URI = f"s3://engines/{MANIFEST.engine.key}"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server.start() as server:
        server.create_bucket("engines")
        yield server


@pytest.fixture
def store(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectStore]:
    monkeypatch.setenv("ARTIFACTS_ENDPOINT", s3.endpoint)
    monkeypatch.setenv("ARTIFACTS_ACCESS_KEY", s3.access_key)
    monkeypatch.setenv("ARTIFACTS_SECRET_KEY", s3.secret_key)
    settings = s3.settings(bucket="engines")
    store = ObjectStore(settings)
    store.put(MANIFEST.engine.key, ENGINE.data)
    store.put(MANIFEST_KEY, MANIFEST.to_bytes())
    store.put(MANIFEST.provenance_key, sign(MANIFEST, MANIFEST.to_bytes(), KEY))
    yield store
    store.close()


@pytest.fixture
def inspect(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inspect:
    monkeypatch.setattr("ignition_hub.cli.load_verdict.probe", lambda: None)

    def run(*words: str) -> tuple[int, str, str]:
        code = exit_code_of(monkeypatch, "inspect", *words, "-o", "json")
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIFACTS_TRUSTED_KEYS", json.dumps(keys_to_json({KEY.keyid: KEY.public})))


def test_an_engine_is_told_from_its_header_and_the_manifest_beside_it(
    store: ObjectStore, inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    ranged = ObjectStore.read_range

    def counted(self: ObjectStore, key: str, start: int, length: int) -> bytes:
        read.append(length)
        return ranged(self, key, start, length)

    monkeypatch.setattr(ObjectStore, "read_range", counted)
    code, out, err = inspect(URI)

    document = json.loads(out)
    assert (code, err) == (0, "")
    assert document["plan"] == {"flavor": "TensorRT", "version": "10.13.2.6", "sizeBytes": len(ENGINE.data)}
    assert document["manifest"]["identity"] == MANIFEST.identity
    assert document["digest"] == "not checked: only the header was read"
    assert document["signature"].startswith("not checked")
    assert sum(read) <= 64


def test_a_manifest_is_inspected_by_its_own_uri(store: ObjectStore, inspect: Inspect) -> None:
    code, out, _ = inspect(f"s3://engines/{MANIFEST_KEY}")

    assert code == 0
    assert json.loads(out)["manifest"]["engine"]["sha256"] == MANIFEST.engine.sha256


def test_a_believed_signature_holds(store: ObjectStore, inspect: Inspect, trusted: None) -> None:
    assert json.loads(inspect(URI)[1])["signature"] == "holds"


def test_a_manifest_that_was_changed_is_refused(store: ObjectStore, inspect: Inspect, trusted: None) -> None:
    store.put(MANIFEST_KEY, replace(MANIFEST, built_at="2026-02-02T00:00:00Z").to_bytes())

    code, out, err = inspect(URI)

    assert (code, out) == (1, "")
    assert "the signed provenance is about another manifest" in err


def test_an_unsigned_manifest_is_refused_where_keys_are_named(
    store: ObjectStore, inspect: Inspect, trusted: None
) -> None:
    store.delete(MANIFEST.provenance_key)

    assert "has no provenance" in inspect(URI)[2]


def test_an_engine_without_a_manifest_is_told_by_its_header(store: ObjectStore, inspect: Inspect) -> None:
    store.delete(MANIFEST_KEY)

    code, out, _ = inspect(URI)

    assert code == 0
    assert "manifest" not in json.loads(out)
    assert json.loads(out)["plan"]["version"] == "10.13.2.6"


def test_a_cut_upload_is_told(store: ObjectStore, inspect: Inspect) -> None:
    store.put(MANIFEST.engine.key, ENGINE.data[:1000])

    code, out, err = inspect(URI)

    assert code == 1
    assert json.loads(out)["plan"]["sizeBytes"] == len(ENGINE.data)
    assert "the plan has 1000 bytes" in err


def test_what_is_not_there_is_one_line(store: ObjectStore, inspect: Inspect) -> None:
    code, _, err = inspect("s3://engines/nowhere/1/2/m.trt")

    assert code == 1
    assert err == "error: s3://engines/nowhere/1/2/m.trt does not exist\n"


def test_a_bucket_that_is_not_there_is_named(store: ObjectStore, inspect: Inspect) -> None:
    code, _, err = inspect("s3://other-bucket/a/1/2/m.trt")

    assert code == 1
    assert "bucket other-bucket" in err
    assert "ARTIFACTS_" in err


def test_an_endpoint_that_is_away_may_be_tried_again(
    store: ObjectStore, inspect: Inspect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARTIFACTS_ENDPOINT", "http://127.0.0.1:9")

    code, _, err = inspect(URI)

    assert code == 3
    assert "127.0.0.1:9" in err
