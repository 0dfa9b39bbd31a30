"""What a machine says of an engine that it shares, when the store did not take it."""

import pytest

from ignition_hub.local.engine import LocalEngine
from ignition_hub.local.errors import StoreDeclined
from ignition_hub.local.keyring import Keyring
from ignition_hub.local.settings import ArtifactsSettings
from ignition_hub.local.upload import upload
from ignition_hub.store.objects import ObjectStore
from oddstore import odd_store
from storefixtures import make_manifest


@pytest.fixture
def share(tmp_path):
    """Share an engine with this digest over a server's store, forced."""

    def share(server, sha256):
        path = tmp_path / "engine.trt"
        path.write_bytes(b"abc")
        settings = ArtifactsSettings(
            endpoint=server.endpoint, bucket="engines", prefix="ignition", access_key="a", secret_key="b"
        )
        engine = LocalEngine(path, make_manifest(sha256=sha256))
        return upload(engine, settings, Keyring(None, {}), lambda *_: None, force=True)

    return share


def test_a_store_that_refuses_every_replacement_is_told_before_anything_is_written(share):
    with odd_store(matches_nothing=True) as server:
        with pytest.raises(StoreDeclined, match=r"\(PutObject, If-Match: failed: .* which is its ETag\)"):
            share(server, "aa" * 32)

        assert server.objects == {}


def test_an_upload_beside_another_machines_says_which_stays(share, monkeypatch):
    put_new = ObjectStore.put_new

    def second(self, key, data):
        if key.endswith(".trt.json"):
            put_new(self, key, b"of another machine")
        return put_new(self, key, data)

    monkeypatch.setattr(ObjectStore, "put_new", second)

    with odd_store() as server, pytest.raises(StoreDeclined, match="written by another machine meanwhile"):
        share(server, "aa" * 32)
