"""
The chart on a real API server: installed, upgraded and limited as it says.

There are no nodes here, so nothing runs.
"""

import json
import os
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import yaml

from chart_harness import merged
from ignition_hub.compatibility.placement import release_of
from ignition_hub.compatibility.readiness import EngineView, ReadyTarget
from ignition_hub.engine.names import LABEL_WAITING, SCHEDULING_GATE
from installed_chart import BUILDS, CHART, HUB, Json, helm, keys, read
from localcluster import ControlPlane
from localcluster.errors import LocalClusterError
from localcluster.paths import bin_folder

WEBHOOKS = "mutatingwebhookconfigurations.admissionregistration.k8s.io"

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def installed() -> Iterator[ControlPlane]:
    with ControlPlane.start(controllers=False) as cluster:
        helm(cluster, "install", HUB, str(CHART), "--create-namespace")
        yield cluster


def may(cluster: ControlPlane, account: str, verb: str, resource: str, namespace: str) -> bool:
    """Ask the API server; ``resource`` is ``plural.group/name:subresource``."""
    resource, _, subresource = resource.partition(":")
    user = f"system:serviceaccount:{HUB}:ignition-hub-{account}"
    words = [verb, resource, f"--subresource={subresource}", "-n", namespace, "--as", user]
    said = cluster.kubectl("auth", "can-i", *words, check=False)
    return said.strip() == "yes"


def pod(cluster: ControlPlane, name: str, *, gates: tuple[str, ...] = (SCHEDULING_GATE,)) -> Json:
    """Create a pod and return it as the API server keeps it."""
    spec: Json = {"containers": [{"name": "a", "image": "example.com/a"}]}
    if gates:
        spec["schedulingGates"] = [{"name": gate} for gate in gates]
    metadata = {
        "name": name,
        "namespace": "default",
        "labels": {LABEL_WAITING: "true", "app": "a"},
        "annotations": {"note": "mine"},
    }
    body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    cluster.kubectl("create", "-f", "-", stdin=json.dumps(body))
    return read(cluster, "pod", name, "default")


def patch_as_controller(cluster: ControlPlane, name: str, change: Json) -> None:
    # Not `kubectl patch`: it reads the pod first, which the controller may not.
    token = cluster.kubectl("create", "token", "ignition-hub-controller", "-n", HUB).strip()
    answer = subprocess.run(
        [
            "curl", "--silent", "--show-error", "--max-time", "20", "--cacert", str(cluster.ca),
            "--request", "PATCH", "--header", f"Authorization: Bearer {token}",
            "--header", "Content-Type: application/merge-patch+json", "--data", json.dumps(change),
            f"{cluster.server}/api/v1/namespaces/default/pods/{name}",
        ],
        capture_output=True, text=True, check=True, timeout=30,
    )  # fmt: skip
    document = json.loads(answer.stdout)
    if document["kind"] == "Status":
        raise PermissionError(document["message"])


def test_the_pool_and_the_store_are_there_with_the_first_install(installed: ControlPlane):
    assert read(installed, "buildpool", "rtx")["spec"]["aheadOfTime"]["archs"]
    assert read(installed, "enginestore", "default")["spec"]["s3"]["bucket"] == "engines"


@pytest.mark.parametrize("resource", ["secrets", "configmaps"])
@pytest.mark.parametrize("account", ["keys", "authority", "controller", "gateway", "prune"])
def test_none_of_the_hubs_accounts_may_create_a_secret_once_the_hub_is_installed(
    installed: ControlPlane, account: str, resource: str
):
    accounts = installed.kubectl("get", "serviceaccounts", "-n", HUB, "-o", "name").split()

    assert {name.rpartition("-")[2] for name in accounts} == {"controller", "gateway", "prune"}
    assert not may(installed, account, "create", resource, HUB)
    assert not may(installed, account, "patch", WEBHOOKS, "")


def test_an_upgrade_keeps_every_key_and_rolls_nothing(installed: ControlPlane):
    before = keys(installed)
    generation = read(installed, "deployment", "ignition-hub-gateway")["metadata"]["generation"]

    helm(installed, "upgrade", HUB, str(CHART))

    assert keys(installed) == before
    assert read(installed, "deployment", "ignition-hub-gateway")["metadata"]["generation"] == generation
    hook = read(installed, "mutatingwebhookconfiguration", HUB)["webhooks"][0]
    assert hook["clientConfig"]["caBundle"] == before["ignition-hub-ca"]["tls.crt"]


def test_a_lost_certificate_is_made_anew_by_the_same_authority(installed: ControlPlane):
    authority = read(installed, "secret", "ignition-hub-ca")["data"]
    lost = read(installed, "secret", "ignition-hub-gateway-tls")["data"]
    installed.kubectl("delete", "secret", "ignition-hub-gateway-tls", "-n", HUB)

    helm(installed, "upgrade", HUB, str(CHART))

    made = read(installed, "secret", "ignition-hub-gateway-tls")["data"]
    assert made["ca.crt"] == authority["tls.crt"]
    assert made["tls.crt"] != lost["tls.crt"]


def test_an_upgrade_brings_the_crds_up_to_date_and_keeps_the_objects(installed: ControlPlane, tmp_path: Path):
    chart = tmp_path / "chart"
    subprocess.run(["cp", "-r", str(CHART), str(chart)], check=True, timeout=10)
    crd = chart / "crds" / "ignitionhub.io_buildpools.yaml"
    document = yaml.safe_load(crd.read_text())
    document["spec"]["names"]["shortNames"] = ["bpool"]
    crd.write_text(yaml.safe_dump(document))
    uid = read(installed, "buildpool", "rtx")["metadata"]["uid"]

    helm(installed, "upgrade", HUB, str(chart))

    upgraded = read(installed, "crd", "buildpools.ignitionhub.io")
    assert upgraded["spec"]["names"]["shortNames"] == ["bpool"]
    assert read(installed, "buildpool", "rtx")["metadata"]["uid"] == uid


def test_a_changed_value_reaches_the_pool(installed: ControlPlane):
    helm(
        installed,
        "upgrade",
        HUB,
        str(CHART),
        "--values",
        "-",
        values={"pools": {"rtx": {"maxConcurrentBuilds": 7}}},
    )

    assert read(installed, "buildpool", "rtx")["spec"]["maxConcurrentBuilds"] == 7


@pytest.mark.parametrize(
    ("account", "verb", "resource", "namespace"),
    [
        ("controller", "create", "jobs.batch", BUILDS),
        ("controller", "watch", "jobs.batch", BUILDS),
        ("controller", "watch", "pods", ""),
        ("controller", "patch", "tensorrtengines.ignitionhub.io:status", "default"),
        ("controller", "patch", "buildpools.ignitionhub.io:status", ""),
        ("controller", "patch", "enginestores.ignitionhub.io:status", ""),
        ("controller", "get", "secrets/ignition-hub-store", HUB),
        ("controller", "update", "leases.coordination.k8s.io/ignition-hub-controller", HUB),
        ("controller", "create", "events.events.k8s.io", "default"),
        ("gateway", "patch", "jobs.batch", BUILDS),
        ("gateway", "create", "tokenreviews.authentication.k8s.io", ""),
        ("gateway", "get", "nodes", ""),
        ("gateway", "watch", "nodes", ""),
        ("gateway", "list", "pods", ""),
        ("gateway", "update", "leases.coordination.k8s.io/ignition-hub-prune", HUB),
        ("prune", "prune", "enginestores.ignitionhub.io/default", ""),
        ("gateway", "watch", "tensorrtengines.ignitionhub.io", ""),
        ("gateway", "watch", "enginestores.ignitionhub.io", ""),
        ("gateway", "get", "secrets/ignition-hub-store", HUB),
    ],
)
def test_the_hub_may_do_its_work(
    installed: ControlPlane, account: str, verb: str, resource: str, namespace: str
):
    assert may(installed, account, verb, resource, namespace)


@pytest.mark.parametrize(
    ("account", "verb", "resource", "namespace"),
    [
        ("controller", "create", "jobs.batch", "default"),
        ("controller", "list", "jobs.batch", "default"),
        ("controller", "watch", "jobs.batch", ""),
        ("controller", "create", "pods", BUILDS),
        ("controller", "patch", "tensorrtengines.ignitionhub.io", "default"),
        ("controller", "patch", "buildpools.ignitionhub.io", ""),
        ("controller", "patch", "enginestores.ignitionhub.io", ""),
        ("controller", "get", "secrets/ignition-hub-signing-key", HUB),
        ("controller", "list", "secrets", HUB),
        ("controller", "get", "secrets", "default"),
        ("controller", "create", "pods:exec", BUILDS),
        ("gateway", "patch", "tensorrtengines.ignitionhub.io:status", "default"),
        ("gateway", "get", "secrets/ignition-hub-signing-key", HUB),
        ("gateway", "get", "secrets", "default"),
        ("gateway", "create", "jobs.batch", BUILDS),
        ("gateway", "patch", "pods", "default"),
        ("gateway", "patch", "nodes", ""),
        ("gateway", "prune", "enginestores.ignitionhub.io", ""),
        ("gateway", "update", "leases.coordination.k8s.io/ignition-hub-controller", HUB),
        ("prune", "get", "enginestores.ignitionhub.io", ""),
        ("prune", "get", "secrets/ignition-hub-store", HUB),
    ],
)
def test_the_hub_may_do_no_more(
    installed: ControlPlane, account: str, verb: str, resource: str, namespace: str
):
    assert not may(installed, account, verb, resource, namespace)


OWNER = {"apiVersion": "v1", "kind": "ConfigMap", "name": "a", "uid": "1b8ea4a2-0000-4000-8000-000000000000"}
DEFAULT_TOLERATIONS = [
    {
        "key": f"node.kubernetes.io/{key}",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    for key in ("not-ready", "unreachable")
]
"""What the API server gives every pod; a pod's own cannot be taken away."""
LIFTED: Json = {"metadata": {"labels": {LABEL_WAITING: None}}, "spec": {"schedulingGates": None}}


def test_the_controller_lifts_its_gate_and_narrows_the_affinity(installed: ControlPlane):
    view = EngineView(
        "a", (ReadyTarget("sm_89", None, "SameComputeCapability", "TensorRT"),), is_settled=True
    )
    change = release_of(pod(installed, "gated"), [view], now=0)
    assert change is not None

    patch_as_controller(installed, "gated", change)

    body = read(installed, "pod", "gated", "default")
    assert "schedulingGates" not in body["spec"]
    assert body["spec"]["affinity"]["nodeAffinity"]
    assert body["metadata"]["labels"] == {"app": "a"}


def test_the_controller_leaves_the_gates_of_others(installed: ControlPlane):
    pod(installed, "twice-gated", gates=("example.com/first", SCHEDULING_GATE))

    patch_as_controller(
        installed, "twice-gated", LIFTED | {"spec": {"schedulingGates": [{"name": "example.com/first"}]}}
    )

    assert read(installed, "pod", "twice-gated", "default")["spec"]["schedulingGates"] == [
        {"name": "example.com/first"}
    ]


def test_the_controller_changes_no_pod_that_does_not_wait(installed: ControlPlane):
    pod(installed, "running", gates=())

    with pytest.raises(PermissionError, match="only while they hold the scheduling gate"):
        patch_as_controller(installed, "running", {"metadata": {"labels": {"a": "b"}}})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"spec": {"schedulingGates": None}}, "changes no other"),
        (
            {"spec": {"schedulingGates": [{"name": "example.com/first"}, {"name": SCHEDULING_GATE}]}},
            "changes no other",
        ),
        ({"spec": {"containers": [{"name": "a", "image": "example.com/evil"}]}}, "of a pod's spec"),
        ({"spec": {"tolerations": [*DEFAULT_TOLERATIONS, {"operator": "Exists"}]}}, "of a pod's spec"),
        ({"spec": {"nodeSelector": {"node": "mine"}}}, "of a pod's spec"),
        ({"spec": {"activeDeadlineSeconds": 5}}, "of a pod's spec"),
        ({"metadata": {"labels": {"a": "b"}}}, "changes no other"),
        ({"metadata": {"labels": {"app": None}}}, "changes no other"),
        ({"metadata": {"labels": {"app": "b"}}}, "changes no other"),
        ({"metadata": {"annotations": {"a": "b"}}}, "of a pod's metadata"),
        ({"metadata": {"annotations": {"note": None}}}, "of a pod's metadata"),
        ({"metadata": {"annotations": {"note": "another"}}}, "of a pod's metadata"),
        ({"metadata": {"finalizers": ["example.com/a"]}}, "of a pod's metadata"),
        ({"metadata": {"ownerReferences": [OWNER]}}, "of a pod's metadata"),
    ],
)
def test_the_controller_changes_nothing_else_of_a_pod_that_waits(
    installed: ControlPlane, change: Json, said: str
):
    name = f"waiting-{uuid4().hex[:8]}"
    before = pod(installed, name, gates=("example.com/first", SCHEDULING_GATE))
    lifted = merged(LIFTED, {"spec": {"schedulingGates": [{"name": "example.com/first"}]}})

    with pytest.raises(PermissionError, match=said):
        patch_as_controller(installed, name, merged(lifted, change))

    assert read(installed, "pod", name, "default") == before


def test_everybody_may_read_the_authority(installed: ControlPlane):
    stranger = ("--as", "somebody", "--as-group", "system:authenticated")
    printed = installed.kubectl("get", "configmap", "ignition-hub-ca", "-n", HUB, "-o", "json", *stranger)
    authority = b64decode(read(installed, "secret", "ignition-hub-ca")["data"]["tls.crt"]).decode()
    assert json.loads(printed)["data"]["ca.crt"] == authority

    with pytest.raises(LocalClusterError, match="cannot get resource"):
        installed.kubectl("get", "secret", "ignition-hub-ca", "-n", HUB, *stranger)


def test_uninstalling_keeps_the_signing_key_and_the_crds(installed: ControlPlane):
    subprocess.run(
        [str(bin_folder() / "helm"), "uninstall", HUB, "--namespace", HUB],
        env=os.environ | {"KUBECONFIG": str(installed.kubeconfig)},
        check=True,
        capture_output=True,
        timeout=60,
    )

    assert read(installed, "secret", "ignition-hub-signing-key")["data"]["signing.key"]
    assert read(installed, "crd", "tensorrtengines.ignitionhub.io")
    with pytest.raises(LocalClusterError, match="not found"):
        read(installed, "deployment", "ignition-hub-gateway")
