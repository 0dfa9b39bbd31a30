"""
Engines as images: pushed by the gateway to a real registry, pulled by containerd, verified in the pod.

The registry asks for a password. The hub has one for pushing, the tenant's pods have one for pulling.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ignition_hub.engine.manifest import Manifest
from ignition_hub.registry.client import Registry
from ignition_hub.registry.image import configuration, image_manifest, layer, layer_files, layer_size, tag_of
from ignition_hub.registry.settings import RegistrySettings
from ignition_hub.wire.deadline import Deadline
from installation.hub import RELEASE, Hub
from installation.kubectl import eventually
from installation.models import distinct
from installation.tenant import Tenant
from installation.workload import deployment, engine_digest, is_ready, pods_of
from localcluster import running
from localcluster.network import Network
from localcluster.starting import node_folder
from registryserver import RegistryServer

pytestmark = pytest.mark.e2e

ENGINES = "hub/engines"


@pytest.fixture(scope="module")
def registry(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """Run a registry on the host's end of the cable, and tell the nodes how to reach it."""
    cluster = running(hub.name)
    address = Network(cluster.state.index).host_address
    with RegistryServer.start(tmp_path_factory.mktemp("registry"), address=address) as server:
        for node in cluster.state.nodes:
            known = node_folder(cluster.folder, node) / "registries" / server.host
            known.mkdir(parents=True)
            (known / "hosts.toml").write_text(f'server = "http://{server.host}"\n')
        yield server


@pytest.fixture(scope="module")
def team(hub: Hub, registry: RegistryServer, chart_values: dict[str, Any]) -> Iterator[Tenant]:
    """A namespace whose pods may pull; afterwards the hub has no registry again."""
    team = Tenant(hub, "tenant-images")
    hub.make_tenant(team.namespace)
    hub.kubectl.apply(secret(registry, "pull", team.namespace), secret(registry, "engine-push", RELEASE))
    yield team
    hub.install(chart_values)
    hub.kubectl.delete("namespace", team.namespace)


def secret(registry: RegistryServer, name: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": registry.pull_secret},
    }


def use(hub: Hub, registry: RegistryServer, chart_values: dict[str, Any]) -> None:
    """Have the hub push to the registry, as its chart says it."""
    named = {
        "repository": f"{registry.host}/{ENGINES}",
        "credentialsSecretRef": {"name": "engine-push"},
        "plainHTTP": True,
    }
    hub.install(chart_values | {"store": chart_values["store"] | {"registry": named}})


def server(team: Tenant, name: str, engine: str) -> dict[str, Any]:
    """Return a Deployment that asks for the image of an engine."""
    image = f"{team.hub.registry}/fetcher:{team.hub.tag}"
    made = deployment(name, engines=engine, image=image, replicas=1)
    template = made["spec"]["template"]
    template["metadata"]["annotations"]["ignitionhub.io/delivery"] = "ImageVolume"
    template["spec"]["imagePullSecrets"] = [{"name": "pull"}]
    return made


def wait_pushed(team: Tenant, engine: str) -> None:
    """Wait until a pod of ``engine`` would get its image."""
    template = server(team, "probe", engine)["spec"]["template"]
    metadata = template["metadata"] | {"name": "probe"}
    pod = template | {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}

    def mounted() -> bool | None:
        words = ("create", "--dry-run=server", "-o", "json", "-n", team.namespace, "-f", "-")
        made = json.loads(team.kubectl.run(*words, stdin=json.dumps(pod)))
        return any("image" in volume for volume in made["spec"]["volumes"]) or None

    eventually(mounted, within=90, what=f"the image of {engine}")


def ready_engine(team: Tenant, folder: Path, name: str) -> dict[str, Any]:
    team.apply(team.push(distinct("squeezenet", folder), name=name, archs=("sm_86",)))
    target: dict[str, Any] = team.wait_ready(name)["targets"][0]
    return target


def test_an_image_with_other_content_under_the_tag_of_an_engine_starts_no_application(
    team: Tenant, registry: RegistryServer, chart_values: dict[str, Any], tmp_path: Path
) -> None:
    target = ready_engine(team, tmp_path, "replaced")
    manifest = Manifest.from_json(team.manifest(target))
    settings = RegistrySettings(
        host=registry.host, path=ENGINES, user=registry.user, password=registry.password, plain_http=True
    )
    repository = settings.name_of(team.namespace, "replaced")
    put_other_content(Registry(settings, Deadline(60)), repository, manifest)
    use(team.hub, registry, chart_values)
    wait_pushed(team, "replaced")
    team.apply(server(team, "victim", "replaced"))

    words = last_words(team, "victim")
    team.kubectl.delete("deployment", "victim", team.namespace)  # it holds the node's one GPU

    assert "DigestMismatch" in words
    assert f"the signed manifest says {target['sha256']}" in words


def put_other_content(registry: Registry, repository: str, manifest: Manifest) -> None:
    """Push an image of the same size whose engine is another, and give it the tag of the true one."""
    data = bytes(manifest.engine.size)
    facts = manifest.engine.to_json() | {"sha256": hashlib.sha256(data).hexdigest()}
    other = Manifest.from_json(manifest.to_json() | {"engine": facts})
    digest = registry.upload(repository, layer(layer_files(other, b"{}", [data])), size_of(other))
    config = configuration(other, digest)
    registry.put_blob(repository, config)
    described = image_manifest(other, config, digest, size_of(other))
    registry.put_manifest(repository, tag_of(manifest), described)


def size_of(manifest: Manifest) -> int:
    return layer_size(layer_files(manifest, b"{}", ()))


def last_words(team: Tenant, name: str) -> str:
    def said() -> str | None:
        for pod in pods_of(team.kubectl, name, team.namespace):
            assert not is_ready(pod)
            for status in pod.get("status", {}).get("initContainerStatuses", []):
                for state in (status.get("state", {}), status.get("lastState", {})):
                    if message := state.get("terminated", {}).get("message"):
                        return str(message)
        return None

    return eventually(said, within=120, what="the fetcher to say why it failed")


def test_a_pod_gets_its_engine_as_an_image_and_downloads_nothing(
    team: Tenant, registry: RegistryServer, chart_values: dict[str, Any], tmp_path: Path
) -> None:
    target = ready_engine(team, tmp_path, "pulled")
    use(team.hub, registry, chart_values)
    wait_pushed(team, "pulled")
    team.apply(server(team, "served", "pulled"))
    [pod] = team.wait_running("served")
    name = pod["metadata"]["name"]
    log = team.kubectl.logs("-n", team.namespace, name, "-c", "ignition-fetch")

    assert engine_digest(team.kubectl, pod, "pulled") == target["sha256"]
    assert "already here, digest verified" in log
    assert inside(team, name, "print(os.readlink('/engines/pulled/model.engine'))") == (
        "/ignition-images/pulled/model.engine"
    )
    attempt = "\ntry: open('/ignition-images/pulled/x','w')\nexcept OSError as e: print(e.strerror)"
    assert inside(team, name, attempt) == "Read-only file system"
    assert inside(team, name, "print(sorted(os.listdir('/ignition-images/pulled')))") == (
        "['manifest.json', 'model.engine', 'provenance.intoto.json']"
    )


def inside(team: Tenant, pod: str, program: str) -> str:
    return team.kubectl.execute(
        team.namespace, pod, "python3", "-c", f"import os;{program}", container="server"
    ).strip()
