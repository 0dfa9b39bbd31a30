"""
The controller as it is deployed: two processes, a real API server, a real bucket, signed manifests.

Only the gateway is played: it serves its public keys over TLS and publishes what a builder would have built.
"""

import hashlib
import http.server
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import job_controller
from fakeworld import make_engine, make_manifest, make_pool
from ignition_hub.engine.names import BUILD_NAMESPACE, RELEASE_NAMESPACE
from ignition_hub.kube import ENGINES, JOBS, LEASES, Kube, Object
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.publish import publish
from ignition_hub.store.settings import StoreSettings
from ignition_hub.store.trust import SigningKey, keys_to_json
from job_controller import condition_of, eventually, is_current, request_of
from localcluster import ControlPlane
from localcluster.certificates import create_authority
from loopbackserver import LoopbackServer
from s3server import S3Server

pytestmark = pytest.mark.cluster

CRDS = Path(__file__).resolve().parents[3] / "crds"
KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
KEYS = {KEY.keyid: KEY.public}
MODEL = b"not really a model" * 1000
URI = "s3://models/vision/resnet50.onnx"


@dataclass
class Replica:
    """One controller process."""

    process: subprocess.Popen[bytes]
    log: Path

    def lines(self) -> list[dict[str, Any]]:
        """Return what it logged; every line must be JSON."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def says(self, message: str) -> bool:
        return any(line["message"] == message for line in self.lines())

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@dataclass
class Site:
    """Everything around the replicas."""

    kubeconfig: Path
    gateway: str
    ca: Path
    folder: Path
    objects: ObjectStore

    def start(self, name: str) -> Replica:
        """Start one replica."""
        log = self.folder / f"{name}.log"
        command = [sys.executable, "-m", "ignition_hub.controller", "--gateway-url", self.gateway]
        command += ["--ca-file", str(self.ca), "--health-port", str(_free_port())]
        environment = {**os.environ, "KUBECONFIG": str(self.kubeconfig)}
        with log.open("wb") as sink:
            return Replica(subprocess.Popen(command, env=environment, stdout=sink, stderr=sink), log)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An API server, a bucket with a model in it, and a gateway's keys."""
    folder = tmp_path_factory.mktemp("controller")
    with (
        ControlPlane.start() as plane,
        S3Server.start() as s3,
        _gateway(folder) as (gateway, ca),
        pytest.MonkeyPatch.context() as environment,
    ):
        environment.setenv("KUBECONFIG", str(plane.kubeconfig))
        plane.kubectl("apply", "--server-side", "-f", str(CRDS))
        plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        for bucket in ("engines", "models"):
            s3.create_bucket(bucket)
        objects = ObjectStore(_settings(s3, "engines", "ignition"))
        models = ObjectStore(_settings(s3, "models", ""))
        models.put("vision/resnet50.onnx", MODEL)
        models.close()
        _apply(plane, s3)
        yield Site(plane.kubeconfig, gateway, ca, folder, objects)
        objects.close()


@pytest.fixture
async def kube(site: Site) -> AsyncIterator[Kube]:
    kube = await Kube.connect(kubeconfig=str(site.kubeconfig))
    yield kube
    await kube.close()


async def test_one_replica_builds_and_the_other_takes_over_when_it_is_asked_to_stop(
    site: Site, kube: Kube
) -> None:
    replicas = [site.start("one"), site.start("two")]
    try:
        leader = await eventually(lambda: _leader(replicas))
        await kube.create(ENGINES, _engine("first"), "vision")
        job = await eventually(lambda: _job(kube))
        _publish(site, job)
        await job_controller.complete(kube, job)
        built = await eventually(lambda: _ready(kube, "first"))

        assert leader.end(signal.SIGTERM) == 0
        [heir] = [replica for replica in replicas if replica is not leader]
        await eventually(lambda: _leader([heir]), seconds=10.0)
        pinned = {"uri": URI, "sha256": hashlib.sha256(MODEL).hexdigest()}
        await kube.create(ENGINES, _engine("second"), "vision")
        hit = await eventually(lambda: _ready(kube, "second"))
        await kube.create(ENGINES, _engine("third", source=pinned), "vision")
        await eventually(lambda: _job(kube))
        lease = await kube.get(LEASES, "ignition-hub-controller", RELEASE_NAMESPACE)
        assert heir.end(signal.SIGTERM) == 0
    finally:
        for replica in replicas:
            replica.process.kill()
            replica.process.wait()

    assert built["status"]["targets"][0]["source"] == "Built"
    assert hit["status"]["targets"][0]["source"] == "Remote"
    assert built["status"]["targets"][0]["uri"] == hit["status"]["targets"][0]["uri"]
    assert lease is not None
    assert lease["spec"]["leaseTransitions"] == 1
    for replica in replicas:
        assert not [line for line in replica.lines() if "exception" in line]


async def test_a_replica_that_is_killed_is_replaced_after_its_lease(site: Site, kube: Kube) -> None:
    replicas = [site.start("three"), site.start("four")]
    try:
        leader = await eventually(lambda: _leader(replicas), seconds=40.0)
        leader.end(signal.SIGKILL)
        [heir] = [replica for replica in replicas if replica is not leader]
        await eventually(lambda: _leader([heir]), seconds=30.0)
        assert heir.end(signal.SIGTERM) == 0
    finally:
        for replica in replicas:
            replica.process.kill()
            replica.process.wait()


async def _leader(replicas: list[Replica]) -> Replica | None:
    for replica in replicas:
        assert replica.process.poll() is None, replica.log.read_text()
    return next((replica for replica in replicas if replica.says("leading")), None)


async def _job(kube: Kube) -> Object | None:
    jobs = await kube.list(JOBS, BUILD_NAMESPACE)
    return next((job for job in jobs if not job["status"].get("conditions")), None)


async def _ready(kube: Kube, name: str) -> Object | None:
    body = await kube.get(ENGINES, name, "vision")
    assert body is not None
    return body if condition_of(body, "Ready").get("status") == "True" and is_current(body) else None


def _publish(site: Site, job: Object) -> None:
    request = request_of(job)
    manifest = make_manifest(request.inputs, request.identity)
    site.objects.put(manifest.engine.key, bytes(manifest.engine.size))
    publish(site.objects, KEY, KEYS, manifest)


def _engine(name: str, **model: Any) -> Object:
    model = {"name": "resnet50", "version": "v1", "source": {"uri": URI}, **model}
    return {"metadata": {"name": name}, "spec": {**make_engine()["spec"], "model": model}}


def _apply(plane: ControlPlane, s3: S3Server) -> None:
    for name in (BUILD_NAMESPACE, RELEASE_NAMESPACE, "vision"):
        plane.kubectl("create", "namespace", name)
    keys = [f"--from-literal=accessKey={s3.access_key}", f"--from-literal=secretKey={s3.secret_key}"]
    plane.kubectl("create", "secret", "generic", "engine-store", "-n", RELEASE_NAMESPACE, *keys)
    bucket = {"endpoint": s3.endpoint, "bucket": "engines", "prefix": "ignition"}
    store = {
        "apiVersion": "ignitionhub.io/v1alpha1",
        "kind": "EngineStore",
        "metadata": {"name": "default"},
        "spec": {
            "s3": {**bucket, "credentialsSecretRef": {"name": "engine-store"}},
            "modelSources": [{"prefix": "s3://models/vision/", "namespaces": ["vision"]}],
        },
    }
    for body in (store, make_pool()):
        plane.kubectl("apply", "-f", "-", stdin=json.dumps(body))


def _settings(s3: S3Server, bucket: str, prefix: str) -> StoreSettings:
    return replace(s3.settings(bucket=bucket), prefix=prefix)


@contextmanager
def _gateway(folder: Path) -> Iterator[tuple[str, Path]]:
    """Serve the public keys over TLS; give the address and the file to verify it with."""
    authority = create_authority(folder / "pki")
    pair = authority.issue("gateway", common_name="gateway", hosts=["127.0.0.1"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    with LoopbackServer(_Keys, tls) as server:
        yield server.url, authority.certificate


class _Keys(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps(keys_to_json(KEYS)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
