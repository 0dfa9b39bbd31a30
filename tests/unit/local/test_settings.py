"""What the environment says about the store and about trust, and what a slip in it costs."""

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from ignition_hub.engine.errors import RequestError
from ignition_hub.local.keyring import keyring_of
from ignition_hub.local.settings import ArtifactsSettings, artifacts_settings, cache_folder
from ignition_hub.store.trust import SigningKey, keys_to_json

KEYS = {"ARTIFACTS_ACCESS_KEY": "me", "ARTIFACTS_SECRET_KEY": "secret"}


def settings(**environ: str) -> ArtifactsSettings:
    found = artifacts_settings(None, {**KEYS, **environ})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("store", "environ", "endpoint", "bucket", "prefix"),
    [
        (
            None,
            {"ARTIFACTS_ENDPOINT": "https://s3.example.com/engines/a/b"},
            "https://s3.example.com",
            "engines",
            "a/b",
        ),
        (None, {"ARTIFACTS_ENDPOINT": "http://10.0.0.1:9000/engines"}, "http://10.0.0.1:9000", "engines", ""),
        (
            "s3://engines/team",
            {"ARTIFACTS_ENDPOINT": "https://s3.example.com/other"},
            "https://s3.example.com",
            "engines",
            "team",
        ),
        (
            None,
            {"ARTIFACTS_ENDPOINT": "s3://engines/team/", "AWS_ENDPOINT_URL": "https://s3.example.com"},
            "https://s3.example.com",
            "engines",
            "team",
        ),
        ("s3://engines", {"AWS_REGION": "eu-west-1"}, "https://s3.eu-west-1.amazonaws.com", "engines", ""),
    ],
)
def test_a_store_is_an_endpoint_a_bucket_and_a_prefix(store, environ, endpoint, bucket, prefix):
    found = artifacts_settings(store, {**KEYS, **environ})

    assert found is not None
    assert (found.endpoint, found.bucket, found.prefix) == (endpoint, bucket, prefix)
    assert "secret" not in repr(found)


def test_nobody_names_a_store_and_there_is_none():
    assert artifacts_settings(None, KEYS) is None


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"ARTIFACTS_ENDPOINT": "s3.example.com/engines"}, "ARTIFACTS_ENDPOINT: .*: not an address"),
        ({"ARTIFACTS_ENDPOINT": "https://s3.example.com"}, "has no bucket"),
        ({"ARTIFACTS_ENDPOINT": "https://[::1/engines"}, "ARTIFACTS_ENDPOINT: .*: not an address"),
        ({"ARTIFACTS_ENDPOINT": "https://s3.example.com:abc/b"}, "ARTIFACTS_ENDPOINT: .*: not an address"),
        ({"ARTIFACTS_ENDPOINT": "https://s3.example.com:99999/b"}, "ARTIFACTS_ENDPOINT: .*: not an address"),
        ({"ARTIFACTS_ENDPOINT": "https://:9000/b"}, "ARTIFACTS_ENDPOINT: .*: not an address"),
        (
            {"ARTIFACTS_ENDPOINT": "s3://engines", "AWS_ENDPOINT_URL": "localhost:9000"},
            "AWS_ENDPOINT_URL: 'localhost:9000': not an address",
        ),
    ],
)
def test_a_wrong_variable_is_named(environ, words):
    with pytest.raises(RequestError, match=words) as caught:
        artifacts_settings(None, {**KEYS, **environ})
    assert caught.value.remedy


def test_a_store_without_credentials_is_an_error_where_it_was_asked_for_by_name():
    found = artifacts_settings(None, {"ARTIFACTS_ENDPOINT": "https://s3.example.com/b"})

    assert found is not None
    assert found.access_key == ""
    with pytest.raises(RequestError, match=r"--store s3://b: .*set ARTIFACTS_ACCESS_KEY"):
        artifacts_settings("s3://b", {})


def test_what_lacks_is_said_of_the_argument_that_named_the_store():
    with pytest.raises(RequestError, match=r"^URI s3://b: .*set ARTIFACTS_ACCESS_KEY"):
        artifacts_settings("s3://b", {}, given_as="URI")
    with pytest.raises(RequestError, match="STORE: 'foo': not an address"):
        artifacts_settings("foo", KEYS, given_as="STORE")


def test_a_key_of_one_set_never_goes_with_the_secret_of_another():
    mixed = {
        "ARTIFACTS_ENDPOINT": "https://s3.example.com/b",
        "ARTIFACTS_ACCESS_KEY": "mine",
        "AWS_ACCESS_KEY_ID": "theirs",
        "AWS_SECRET_ACCESS_KEY": "their secret",
    }
    found = artifacts_settings(None, mixed)

    assert found is not None
    assert (found.access_key, found.secret_key) == ("theirs", "their secret")


def test_the_cache_is_where_the_caller_or_the_environment_says(tmp_path):
    environ = {"TENSORRT_CACHE_DIR": str(tmp_path / "env")}

    assert cache_folder(tmp_path / "arg", environ) == tmp_path / "arg"
    assert cache_folder(None, environ) == tmp_path / "env"
    assert cache_folder(None, {}).name == "ignition-hub"


def private_pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_keys_are_read_as_text_or_from_a_file(tmp_path: Path):
    signing, hub, other = (Ed25519PrivateKey.generate() for _ in range(3))
    (tmp_path / "key.pem").write_text(private_pem(signing))
    (tmp_path / "keys.pem").write_text(public_pem(hub) + public_pem(other))
    keyring = keyring_of(
        settings(
            ARTIFACTS_ENDPOINT="https://s3.example.com/b",
            ARTIFACTS_SIGNING_KEY=str(tmp_path / "key.pem"),
            ARTIFACTS_TRUSTED_KEYS=str(tmp_path / "keys.pem"),
        )
    )

    assert keyring.signing is not None
    assert set(keyring.believed) == {SigningKey(key).keyid for key in (signing, hub, other)}


def test_what_the_gateway_answers_about_its_keys_is_understood():
    hub = SigningKey(Ed25519PrivateKey.generate())
    answer = json.dumps(keys_to_json({hub.keyid: hub.public}))
    keyring = keyring_of(
        settings(ARTIFACTS_ENDPOINT="https://s3.example.com/b", ARTIFACTS_TRUSTED_KEYS=answer)
    )

    assert (keyring.signing, set(keyring.believed)) == (None, {hub.keyid})


def unusable_keys() -> list[tuple[str, str]]:
    elliptic = generate_private_key(SECP256R1())
    private = elliptic.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = elliptic.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    raw = base64.b64encode(b"too short").decode()
    return [
        ("ARTIFACTS_SIGNING_KEY", "/nowhere/key.pem"),
        ("ARTIFACTS_SIGNING_KEY", private),
        ("ARTIFACTS_SIGNING_KEY", "-----BEGIN nonsense"),
        ("ARTIFACTS_TRUSTED_KEYS", public),
        ("ARTIFACTS_TRUSTED_KEYS", "{}"),
        ("ARTIFACTS_TRUSTED_KEYS", "{"),
        ("ARTIFACTS_TRUSTED_KEYS", json.dumps({"keys": [{"algorithm": "ed25519", "public": raw}]})),
        ("ARTIFACTS_TRUSTED_KEYS", "/nowhere/keys.pem"),
    ]


@pytest.mark.parametrize(("variable", "value"), unusable_keys())
def test_a_key_that_cannot_be_read_never_turns_verification_off(variable, value):
    with pytest.raises(RequestError, match=variable) as caught:
        keyring_of(settings(ARTIFACTS_ENDPOINT="https://s3.example.com/b", **{variable: value}))
    assert caught.value.remedy
