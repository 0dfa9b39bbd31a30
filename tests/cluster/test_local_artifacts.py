"""The artifacts store of machines without a cluster, on a real S3 server: sharing, trust, and refusals."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ignition_hub import build_or_load_engine
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.naming import StorePaths
from ignition_hub.store.find import find
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.publish import publish
from ignition_hub.store.trust import SigningKey
from local_harness import ARCH, library_warnings
from s3server import S3Server
from smallmodels import dense, saved

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
pytestmark = pytest.mark.cluster

KEY = Ed25519PrivateKey.from_private_bytes(b"\x01" * 32)
HUB = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\x02" * 32))
PEM = KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: SigningKey) -> str:
    return key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with S3Server.start() as s3:
        s3.create_bucket("engines")
        yield s3


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model and a cache that has its engine: what a machine has before it shares."""
    folder = tmp_path_factory.mktemp("built")
    model = saved(dense(), folder)
    build_or_load_engine(model, arch=ARCH, cache_dir=folder / "cache")
    return folder


@pytest.fixture
def store(
    s3: S3Server, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ObjectStore]:
    """The bucket as an administrator; the environment names it for the library."""
    for name in os.environ:
        if name.startswith(("ARTIFACTS_", "AWS_")):
            monkeypatch.delenv(name)
    prefix = request.node.name[-40:].strip("[]")
    monkeypatch.setenv("ARTIFACTS_ENDPOINT", f"{s3.endpoint}/engines/{prefix}")
    monkeypatch.setenv("ARTIFACTS_ACCESS_KEY", s3.access_key)
    monkeypatch.setenv("ARTIFACTS_SECRET_KEY", s3.secret_key)
    settings = replace(s3.settings(bucket="engines"), prefix=prefix)
    store = ObjectStore(settings)
    yield store
    store.close()


@pytest.fixture
def warned() -> Iterator[list[str]]:
    with library_warnings() as said:
        yield said


def on_machine(built: Path, cache: Path, **changes: Any) -> Any:
    """Ask for the engine on a machine with this cache."""
    return build_or_load_engine(built / "model.onnx", arch=ARCH, cache_dir=cache, **changes)


def in_hub(store: ObjectStore, built: Path, key: SigningKey) -> Manifest:
    """Publish the built engine as the hub does, signed with ``key``."""
    engine, _ = build_or_load_engine(built / "model.onnx", arch=ARCH, cache_dir=built / "cache")
    manifest = moved(engine.manifest, store.settings.prefix)
    upload = store.start_upload(manifest.engine.key)
    etag = store.put_part(manifest.engine.key, upload, 1, engine.path.read_bytes())
    store.complete_upload(manifest.engine.key, upload, [etag])
    return publish(store, key, {key.keyid: key.public}, manifest).manifest


def moved(manifest: Manifest, prefix: str) -> Manifest:
    paths = StorePaths(prefix, manifest.inputs, manifest.identity)
    sha256 = manifest.engine.sha256
    return replace(
        manifest,
        engine=replace(manifest.engine, key=paths.engine(sha256)),
        provenance_key=paths.provenance(sha256),
    )


def keys_in(store: ObjectStore) -> list[str]:
    prefix = f"{store.settings.prefix}/"
    answer = store._client.boto.list_objects_v2(Bucket="engines", Prefix=prefix)
    return [item["Key"].removeprefix(prefix) for item in answer.get("Contents", [])]


def test_what_one_machine_builds_another_takes_from_the_store(store, built, tmp_path, warned):
    first, source = on_machine(built, tmp_path / "a")
    second, from_where = on_machine(built, tmp_path / "b")

    assert (source, from_where) == ("built", "remote")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert on_machine(built, tmp_path / "b") == (second, "local_cache")
    assert warned == []
    assert (first.vouched, second.vouched) == (True, False)


def test_without_a_key_nothing_is_written_into_the_hubs_tree(store, built, tmp_path):
    engine, _ = on_machine(built, tmp_path / "a")
    folder = f"unsigned/engines/model/{engine.manifest.identity[:16]}"

    assert sorted(keys_in(store)) == sorted(
        [
            f"{folder}/{engine.manifest.engine.sha256[:16]}/build.log",
            f"{folder}/{engine.manifest.engine.sha256[:16]}/{engine.path.name}",
            f"{folder}/{engine.path.name}.json",
        ]
    )


def test_a_signed_upload_is_one_the_hub_itself_would_believe(store, built, tmp_path, monkeypatch):
    monkeypatch.setenv("ARTIFACTS_SIGNING_KEY", PEM)
    engine, _ = on_machine(built, tmp_path / "a")
    key = SigningKey(KEY)
    manifest = find(store, {key.keyid: key.public}, engine.manifest.inputs, engine.manifest.identity)

    assert manifest is not None
    assert manifest.engine.sha256 == engine.manifest.engine.sha256
    assert not [key for key in keys_in(store) if key.startswith("unsigned/")]
    assert on_machine(built, tmp_path / "b")[1] == "remote"


def test_with_keys_an_engine_of_the_hub_is_taken_and_its_provenance_kept(store, built, tmp_path, monkeypatch):
    manifest = in_hub(store, built, HUB)
    monkeypatch.setenv("ARTIFACTS_TRUSTED_KEYS", public_pem(HUB))
    engine, source = on_machine(built, tmp_path / "a")

    assert source == "remote"
    assert engine.manifest == manifest
    provenance = engine.path.with_name(f"{engine.path.name}.intoto.json")
    assert provenance.read_bytes() == store.get(manifest.provenance_key, 1 << 20)


def test_with_keys_an_unsigned_engine_is_not_even_looked_at(store, built, tmp_path, monkeypatch, warned):
    on_machine(built, tmp_path / "a")
    monkeypatch.setenv("ARTIFACTS_TRUSTED_KEYS", public_pem(HUB))

    assert on_machine(built, tmp_path / "b")[1] == "built"
    assert warned == []


def test_what_was_taken_without_keys_is_not_used_once_there_are_some(store, built, tmp_path, monkeypatch):
    on_machine(built, tmp_path / "a")
    taken, source = on_machine(built, tmp_path / "b")
    assert (source, taken.vouched) == ("remote", False)
    monkeypatch.setenv("ARTIFACTS_TRUSTED_KEYS", public_pem(HUB))

    assert on_machine(built, tmp_path / "b")[1] == "built"
    assert on_machine(built, tmp_path / "b")[1] == "local_cache"


def test_an_engine_of_another_signer_is_refused_and_never_replaced(
    store, built, tmp_path, monkeypatch, warned
):
    manifest = in_hub(store, built, HUB)
    monkeypatch.setenv("ARTIFACTS_SIGNING_KEY", PEM)
    _, source = on_machine(built, tmp_path / "a")

    assert source == "built"
    assert len(warned) == 1
    assert "no signature from a trusted key" in warned[0]
    _, again = on_machine(built, tmp_path / "b", force_rebuild=True)
    assert again == "built"
    assert "add the hub's keys to ARTIFACTS_TRUSTED_KEYS" in warned[1]
    assert find(store, {HUB.keyid: HUB.public}, manifest.inputs, manifest.identity) == manifest


def test_an_engine_that_was_exchanged_in_the_bucket_is_not_used(store, built, tmp_path, warned):
    engine, _ = on_machine(built, tmp_path / "a")
    stored = moved(engine.manifest, f"{store.settings.prefix}/unsigned").engine
    store.put(stored.key, b"?" * stored.size)
    other, source = on_machine(built, tmp_path / "b")

    assert source == "built"
    assert other.path.read_bytes() == engine.path.read_bytes()
    assert "is not the engine that its manifest names" in warned[0]


def test_a_manifest_that_points_elsewhere_is_not_followed(store, built, tmp_path, warned):
    engine, _ = on_machine(built, tmp_path / "a")
    prefix = f"{store.settings.prefix}/unsigned"
    manifest = moved(engine.manifest, prefix)
    elsewhere = replace(manifest, engine=replace(manifest.engine, key=f"{prefix}/engines/model/evil.trt"))
    store.put(StorePaths(prefix, manifest.inputs, manifest.identity).manifest, elsewhere.to_bytes())

    assert on_machine(built, tmp_path / "b")[1] == "built"
    assert "points outside its own folder" in warned[0]


def test_a_forced_rebuild_replaces_what_the_store_has(store, built, tmp_path):
    engine, _ = on_machine(built, tmp_path / "a")
    prefix = f"{store.settings.prefix}/unsigned"
    where = StorePaths(prefix, engine.manifest.inputs, identity_of(engine.manifest.inputs)).manifest
    before = store.head(where)
    assert on_machine(built, tmp_path / "a", force_rebuild=True)[1] == "built"
    after = store.head(where)

    assert before is not None
    assert after is not None
    assert before.etag != after.etag


@pytest.fixture(
    params=[
        (
            "ARTIFACTS_SECRET_KEY",
            "wrong",
            "check ARTIFACTS_ENDPOINT, ARTIFACTS_ACCESS_KEY and ARTIFACTS_SECRET_KEY",
        ),
        ("ARTIFACTS_ACCESS_KEY", "nobody", "rejected the credentials"),
        ("ARTIFACTS_ENDPOINT", "{endpoint}/no-such-bucket", "does not exist"),
    ]
)
def slip(store: ObjectStore, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """A variable that is wrong; gives words of the warning that should follow."""
    name, value, words = request.param
    monkeypatch.setenv(name, value.format(endpoint=store.settings.endpoint))
    return str(words)


def test_a_store_that_does_not_serve_us_costs_one_warning(slip, built, tmp_path, warned):
    _, source = on_machine(built, tmp_path / "a")

    assert source == "built"
    assert len(warned) == 1
    assert slip in warned[0]
    assert "Secret of the EngineStore" not in warned[0]


def test_a_server_that_ignores_conditions_is_read_and_not_written(
    store, built, tmp_path, monkeypatch, warned
):
    monkeypatch.setattr(ObjectStore, "put_new", ObjectStore.put)
    _, source = on_machine(built, tmp_path / "a")

    assert source == "built"
    assert keys_in(store) == []
    assert len(warned) == 1
    assert "does not keep two writers apart (PutObject, If-None-Match: ignored" in warned[0]


def test_a_cached_engine_needs_no_store(store, built, tmp_path, monkeypatch, warned):
    shutil.copytree(built / "cache", tmp_path / "a")
    monkeypatch.setenv("ARTIFACTS_ENDPOINT", "http://127.0.0.1:9/engines")

    assert on_machine(built, tmp_path / "a")[1] == "local_cache"
    assert warned == []
