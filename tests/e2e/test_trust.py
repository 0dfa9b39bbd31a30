"""Engines are code: what was tampered with does not start, and what is not yours is not given to you."""

import json
from pathlib import Path

import pytest

from installation.hub import BUCKET
from installation.kubectl import eventually
from installation.models import distinct
from installation.tenant import Tenant
from installation.workload import is_ready, pods_of

pytestmark = pytest.mark.e2e


@pytest.fixture
def engine(tenant: Tenant, tmp_path: Path) -> dict:
    """A ready engine's only target."""
    tenant.apply(tenant.push(distinct("squeezenet", tmp_path), name="squeezenet", archs=("sm_86",)))
    target: dict = tenant.wait_ready("squeezenet")["targets"][0]
    return target


def key_of(uri: str) -> str:
    """Return the key of an s3:// URI."""
    return uri.removeprefix(f"s3://{BUCKET}/")


def fetcher_words(tenant: Tenant, name: str) -> str:
    """Return what a failing fetcher said, once it has failed and while the pod is not ready."""

    def said() -> str | None:
        for pod in pods_of(tenant.kubectl, name, tenant.namespace):
            assert not is_ready(pod)
            for status in pod.get("status", {}).get("initContainerStatuses", []):
                for state in (status.get("state", {}), status.get("lastState", {})):
                    if message := state.get("terminated", {}).get("message"):
                        return str(message)
        return None

    return eventually(said, within=90, what="the fetcher to say why it failed")


def test_a_byte_flipped_in_the_bucket_keeps_the_pod_from_starting(tenant: Tenant, engine: dict) -> None:
    with tenant.hub.bucket() as s3:
        content = bytearray(s3.get_object(Bucket=BUCKET, Key=key_of(engine["uri"]))["Body"].read())
        content[len(content) // 2] ^= 1
        s3.put_object(Bucket=BUCKET, Key=key_of(engine["uri"]), Body=bytes(content))
    tenant.deploy("server", engines="squeezenet")

    assert "DigestMismatch" in fetcher_words(tenant, "server")


def test_a_manifest_edited_by_hand_is_refused(tenant: Tenant, engine: dict) -> None:
    with tenant.hub.bucket() as s3:
        folder = key_of(engine["uri"]).rsplit("/", 2)[0]
        name = engine["uri"].rsplit("/", 1)[1]
        key = f"{folder}/{name}.json"
        manifest = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read())
        manifest["built_at"] = "2001-01-01T00:00:00Z"
        s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(manifest).encode())
    tenant.deploy("server", engines="squeezenet")

    assert "ManifestRefused" in fetcher_words(tenant, "server")


def test_a_namespace_without_the_right_to_a_model_does_not_get_its_engine(
    tenant: Tenant, engine: dict, tmp_path: Path
) -> None:
    stranger = Tenant(tenant.hub, f"{tenant.namespace}-stranger")
    tenant.hub.make_tenant(stranger.namespace)
    try:
        resource = tenant.kubectl.get("trte", "squeezenet", tenant.namespace)
        assert resource is not None
        stranger.apply(
            {
                "apiVersion": resource["apiVersion"],
                "kind": resource["kind"],
                "metadata": {"name": "stolen"},
                "spec": resource["spec"],
            }
        )
        status = stranger.wait_stalled("stolen")
    finally:
        tenant.kubectl.delete("namespace", stranger.namespace)

    assert status["targets"][0]["reason"] == "SourceForbidden"
    assert "uri" not in status["targets"][0]
