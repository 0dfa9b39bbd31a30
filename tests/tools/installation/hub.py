"""
The hub, installed with its own chart: what the demo shows and the end-to-end tests probe.

Installing is idempotent (``helm upgrade --install``), so a second run finds what the first left.
"""

import json
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from installation.kubectl import Kubectl, eventually

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "ignition-hub"
RELEASE = "ignition-hub"
BUILDS = "ignition-hub-builds"
DEMO_NAMESPACE = "ignition-hub-demo"
BUCKET = "engines"
PREFIX = "ignition"
SHARED = "shared/"
"""Where in the bucket tests put what every namespace may read: models, calibration data."""
S3_SERVICE = "svc/ignition-hub-s3"
KEYS = f"/api/v1/namespaces/{RELEASE}/services/https:ignition-hub-gateway:443/proxy/v1/keys"
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}

Json = dict[str, Any]


@dataclass(frozen=True)
class Hub:
    """An installed hub and the tools to look at it."""

    kubectl: Kubectl
    helm: str
    registry: str = "localhost/ignition-hub"
    tag: str = "dev"
    name: str = ""
    """Of the local cluster; its processes are found by it."""
    images: str = ""
    """Changes with the images' content, so that a new image under the same tag rolls the Deployments."""

    def install(self, values: Json) -> None:
        """Install or upgrade the chart in a restricted namespace and wait until it is available."""
        self.make_namespace(RELEASE)
        done = subprocess.run(
            [
                self.helm, "upgrade", "--install", RELEASE, str(CHART), "--namespace", RELEASE,
                "--values", "-", "--wait", "--timeout", "5m",
            ],
            input=json.dumps(self.image_values() | values),
            text=True,
            check=False,
            capture_output=True,
            env=self.kubectl.environment,
            timeout=330,
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"helm upgrade --install: {done.stderr.strip()}")

    def image_values(self) -> Json:
        """Chart values that name the images of this checkout."""
        return {
            "images": {"registry": self.registry, "tag": self.tag, "pullPolicy": "IfNotPresent"},
            "podAnnotations": {"ignitionhub.io/images": self.images},
        }

    def make_namespace(self, name: str) -> None:
        """Create a namespace that enforces the ``restricted`` Pod Security Standard."""
        metadata = {"name": name, "labels": RESTRICTED}
        self.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    def make_tenant(self, namespace: str) -> None:
        """Create a tenant's ``restricted`` namespace, whose default account may edit engines."""
        self.make_namespace(namespace)
        binding = {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "engine-authors", "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
            "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": namespace}],
        }
        self.kubectl.apply(binding)
        eventually(
            lambda: self.kubectl.get("serviceaccount", "default", namespace),
            within=30,
            what=f"the default ServiceAccount of {namespace}",
        )

    @contextmanager
    def bucket(self) -> Iterator["S3Client"]:
        """Open the embedded S3 server's bucket with the platform team's own credentials."""
        with (
            self.kubectl.forward(RELEASE, S3_SERVICE, 9000) as port,
            self.bucket_at(f"http://127.0.0.1:{port}") as client,
        ):
            yield client

    @contextmanager
    def reachable_store(self) -> Iterator[dict[str, str]]:
        """Give the environment in which the command line finds the embedded S3 server."""
        secret = self.credentials()
        with self.kubectl.forward(RELEASE, S3_SERVICE, 9000) as port:
            yield {
                "ARTIFACTS_ENDPOINT": f"http://127.0.0.1:{port}/{BUCKET}/{PREFIX}",
                "ARTIFACTS_ACCESS_KEY": b64decode(secret["accessKey"]).decode(),
                "ARTIFACTS_SECRET_KEY": b64decode(secret["secretKey"]).decode(),
            }

    def public_keys(self) -> str:
        """Return the keys that engines are believed by, as the gateway publishes them."""
        return self.kubectl.run("get", "--raw", KEYS)

    @contextmanager
    def bucket_at(self, endpoint: str) -> Iterator["S3Client"]:
        """Open the bucket under another name of the server, as presigning for pods needs."""
        client = s3_client(endpoint, self.credentials())
        try:
            yield client
        finally:
            client.close()

    def credentials(self) -> dict[str, str]:
        """Return the encoded data of the Secret with the embedded S3 server's keys."""
        secret = self.kubectl.get("secret", "ignition-hub-store", RELEASE)
        if secret is None:
            raise RuntimeError("the Secret ignition-hub-store is not there: is embeddedS3 enabled?")
        data: dict[str, str] = secret["data"]
        return data


def s3_client(endpoint: str, secret: dict[str, str]) -> "S3Client":
    """Return a boto3 client for an S3-compatible server, from a Secret's encoded data."""
    client: S3Client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=b64decode(secret["accessKey"]).decode(),
        aws_secret_access_key=b64decode(secret["secretKey"]).decode(),
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            connect_timeout=5,
            read_timeout=30,
        ),
    )
    return client


def demo_values() -> Json:
    """Chart values for a cluster without a bucket of its own or a GPU: embedded S3, a CPU pool for RTX."""
    return {
        "embeddedS3": {"enabled": True},
        "store": {"bucket": BUCKET, "prefix": PREFIX},
        "pools": {
            "rtx": {
                "enabled": True,
                "nodeSelector": {"ignitionhub.io/ahead-of-time-builder": "true"},
                "maxConcurrentBuilds": 2,
            }
        },
    }
