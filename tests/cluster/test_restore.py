"""
Backup and restore, to the end: the commands of ``docs/backup.md`` themselves, from a cluster to an empty one.

Chart, API servers, bucket, gateway and controller are real; the test plays builder and Job controller.
"""

import json
import os
import re
import subprocess
import sys
from base64 import b64decode
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import job_controller
from fakeworld import make_engine, make_manifest, make_pool
from gatewayprocess import free_port, running_gateway
from ignition_hub.engine.names import BUILD_NAMESPACE, RELEASE_NAMESPACE
from ignition_hub.kube import ENGINES, JOBS, POOLS, SECRETS, Kube, Object
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.publish import publish
from ignition_hub.store.trust import SigningKey
from installed_chart import CHART, HUB, hooks_played
from job_controller import condition_of, eventually, is_current, request_of
from localcluster import ControlPlane
from localcluster.paths import bin_folder
from s3server import S3Server

pytestmark = pytest.mark.cluster

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "backup.md").read_text()
TEAM = "vision"
BUCKETS = ("engines", "models")

Objects = dict[str, bytes]


def commands_of(section: str) -> list[str]:
    """The commands of the blocks below a heading of the page, without what stands behind a #."""
    _, _, text = PAGE.partition(f"\n## {section}\n")
    blocks = re.findall(r"```console\n(.*?)```", text.partition("\n## ")[0], re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [re.sub(r"\s+#.*", "", line.removeprefix("$ ")) for line in lines if line.startswith("$ ")]


class Site:
    """One cluster with the chart in it, and the folder in which the platform team types."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self.folder = folder

    def type(self, command: str) -> None:
        """Run one line as the page has it."""
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.plane.kubeconfig),
            "PATH": f"{bin_folder()}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{command}: {done.stderr}"

    def install(self) -> None:
        """Install the chart with the values in the folder; its Jobs are played."""
        with hooks_played(self.plane, HUB):
            self.type(f"helm install ignition-hub {CHART} -n ignition-hub --values values.yaml")

    def start_controller(self, folder: Path, port: int) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "ignition_hub.controller",
            "--gateway-url",
            f"https://127.0.0.1:{port}",
        ]
        command += ["--ca-file", str(folder / "tls.crt"), "--health-port", str(free_port())]
        environment = {**os.environ, "KUBECONFIG": str(self.plane.kubeconfig)}
        with (folder / "controller.log").open("wb") as log:
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    @asynccontextmanager
    async def running(self, name: str) -> AsyncIterator[tuple[Kube, SigningKey]]:
        """Run gateway and controller with the keys that the cluster holds, until the block ends."""
        kube = await Kube.connect(kubeconfig=str(self.plane.kubeconfig))
        folder = self.folder / name
        folder.mkdir()
        try:
            secret = await kube.get(SECRETS, "ignition-hub-signing-key", RELEASE_NAMESPACE)
            assert secret is not None
            pem = b64decode(secret["data"]["signing.key"])
            (folder / "signing.pem").write_bytes(pem)
            with running_gateway(self.plane.kubeconfig, folder) as gateway:
                controller = self.start_controller(folder, gateway.port)
                try:
                    yield kube, SigningKey.from_pem(pem)
                finally:
                    controller.terminate()
                    controller.wait(timeout=20)
        finally:
            await kube.close()


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with S3Server.start() as started:
        yield started


def opened(s3: S3Server, bucket: str) -> ObjectStore:
    return ObjectStore(s3.settings(bucket=bucket))


def saved(s3: S3Server, bucket: str) -> Objects:
    """Everything in a bucket."""
    store = opened(s3, bucket)
    try:
        return {entry.key: store.get(entry.key, 1 << 20) for entry in store.listed("", most=100)}
    finally:
        store.close()


def restored(s3: S3Server, bucket: str, objects: Objects) -> None:
    """Fill an empty bucket; manifests come last, as the page says of copies."""
    store = opened(s3, bucket)
    try:
        for key in sorted(objects, key=lambda key: key.endswith(".trt.json")):
            store.put(key, objects[key])
    finally:
        store.close()


def first_values(s3: S3Server) -> str:
    sources = [{"prefix": "s3://models/", "namespaces": [TEAM]}]
    store = {"endpoint": s3.endpoint, "credentialsSecret": "engine-store", "modelSources": sources}
    reached = {"store": {"to": [{"ipBlock": {"cidr": "127.0.0.0/8"}}]}}
    images = {"registry": "localhost/ignition-hub"}
    return json.dumps({"images": images, "store": store, "networkPolicies": reached})


def engine() -> Object:
    source = {"uri": "s3://models/resnet50.onnx"}
    return make_engine(namespace=TEAM, model={"name": "resnet50", "version": "v1", "source": source})


async def until_ready(kube: Kube) -> Object:
    """Wait until the engine is Ready; return its target."""

    async def holds() -> Object | None:
        body = await kube.get(ENGINES, "resnet50", TEAM)
        assert body is not None
        ready = "status" in body and condition_of(body, "Ready").get("status") == "True"
        return body if ready and is_current(body) else None

    [target] = (await eventually(holds, seconds=40.0))["status"]["targets"]
    return dict(target)


async def built(kube: Kube, key: SigningKey, store: ObjectStore) -> None:
    """Do what a builder, the gateway and the Job controller do for the one Job."""

    async def there() -> Object | None:
        jobs = await kube.list(JOBS, BUILD_NAMESPACE)
        return jobs[0] if jobs else None

    job = await eventually(there)
    request = request_of(job)
    manifest = make_manifest(request.inputs, request.identity)
    store.put(manifest.engine.key, b"e" * manifest.engine.size)
    publish(store, key, {key.keyid: key.public}, manifest)
    await job_controller.complete(kube, job)


@pytest.mark.timeout(300)  # two clusters, and the chart installed in each
async def test_an_engine_of_a_backup_is_ready_in_an_empty_cluster_without_a_build(
    s3: S3Server, tmp_path: Path
) -> None:
    for bucket in BUCKETS:
        s3.create_bucket(bucket)
    restored(s3, "models", {"resnet50.onnx": b"not really a model"})
    keys = f"--from-literal=accessKey={s3.access_key} --from-literal=secretKey={s3.secret_key}"

    with ControlPlane.start() as plane:
        site = Site(plane, tmp_path)
        (tmp_path / "values.yaml").write_text(first_values(s3))
        site.type("kubectl create namespace ignition-hub")
        site.type(f"kubectl create secret generic engine-store -n ignition-hub {keys}")
        site.install()
        site.type(f"kubectl create namespace {TEAM}")
        async with site.running("before") as (kube, key):
            await kube.create(POOLS, make_pool("our-own"))
            await kube.create(ENGINES, engine(), TEAM)
            store = opened(s3, "engines")
            await built(kube, key, store)
            store.close()
            before = await until_ready(kube)
            for command in commands_of("Backing up"):
                site.type(command)
    copies = {bucket: saved(s3, bucket) for bucket in BUCKETS}
    s3.stop()

    with S3Server.start() as other, ControlPlane.start() as plane:
        site = Site(plane, tmp_path)
        for bucket in BUCKETS:  # step 1
            other.create_bucket(bucket)
            restored(other, bucket, copies[bucket])
        values = (tmp_path / "values.yaml").read_text().replace(s3.endpoint, other.endpoint)
        (tmp_path / "values.yaml").write_text(values)  # "The endpoint may change."
        *secrets, resources = commands_of("Restoring")
        for command in secrets:
            site.type(command)
        site.install()
        for command in (f"kubectl create namespace {TEAM}", resources):
            site.type(command)
        async with site.running("after") as (kube, again):
            after = await until_ready(kube)
            jobs = await kube.list(JOBS, BUILD_NAMESPACE)
            pool = await kube.get(POOLS, "our-own")

    assert again.keyid == key.keyid
    assert (before["source"], before["reason"]) == ("Built", "Built")
    assert (after["source"], after["reason"]) == ("Remote", "Reused")
    assert {name: after[name] for name in ("uri", "sha256", "identity")} == {
        name: before[name] for name in ("uri", "sha256", "identity")
    }
    assert jobs == []
    assert pool is not None
