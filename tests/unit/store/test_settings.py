"""An EngineStore and its Secret become settings, or an error that names what lacks."""

import base64

import pytest

from ignition_hub.engine.names import ANNOTATION_DEFAULT_STORE
from ignition_hub.store.errors import StoreMisconfigured
from ignition_hub.store.settings import StoreSettings, default_store, settings_of


def make_store(name="default", **metadata):
    s3 = {
        "endpoint": "https://s3.example.com",
        "bucket": "engines",
        "prefix": "ignition/",
        "credentialsSecretRef": {"name": "engine-store"},
    }
    return {"metadata": {"name": name, **metadata}, "spec": {"s3": s3}}


def make_secret(**values):
    return {"data": {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}}


def test_a_store_and_its_secret_make_settings():
    settings = settings_of(make_store(), make_secret(accessKey="AK", secretKey="SK\n"))

    assert settings == StoreSettings(
        endpoint="https://s3.example.com",
        bucket="engines",
        prefix="ignition",
        access_key="AK",
        secret_key="SK",
        region="us-east-1",
    )


def test_settings_do_not_print_the_secret():
    settings = settings_of(make_store(), make_secret(accessKey="AK", secretKey="do-not-print"))

    assert "do-not-print" not in repr(settings)


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (None, "Secret engine-store of EngineStore default does not exist"),
        (make_secret(accessKey="AK"), "has no key secretKey"),
        ({"data": {"accessKey": "%%%", "secretKey": "QQ=="}}, "key accessKey of Secret engine-store"),
    ],
)
def test_credentials_that_lack_are_named(secret, why):
    with pytest.raises(StoreMisconfigured, match=why):
        settings_of(make_store(), secret)


def test_the_only_store_is_the_default():
    assert default_store([make_store("only")])["metadata"]["name"] == "only"


def test_among_several_the_marked_one_is_the_default():
    stores = [make_store("a"), make_store("b", annotations={ANNOTATION_DEFAULT_STORE: "true"})]

    assert default_store(stores)["metadata"]["name"] == "b"


def test_several_unmarked_stores_are_refused_by_name():
    with pytest.raises(StoreMisconfigured, match="2 EngineStores could be the default: a, b") as caught:
        default_store([make_store("b"), make_store("a")])

    assert ANNOTATION_DEFAULT_STORE in caught.value.remedy


def test_no_store_at_all_says_what_to_apply():
    with pytest.raises(StoreMisconfigured, match="no EngineStore exists"):
        default_store([make_store(deletionTimestamp="2026-01-01T00:00:00Z")])
