"""The chart's node cache: off by default, without keys and rights, and reached from its own node alone."""

import pytest

from chart_harness import HELM, OWN_STORE, Json, containers, find, merged, refusal, render

pytestmark = pytest.mark.skipif(
    not HELM.exists(), reason="helm is not built: PYTHONPATH=tests/tools python3 -m localcluster build"
)
ON = {"nodeCache": {"enabled": True, "sizeGiB": 20}}
NAME = "ignition-hub-node-cache"


@pytest.fixture(scope="module")
def cached() -> list[Json]:
    return render(ON)


def arguments(documents: list[Json], kind: str, name: str, container: int = 0) -> list[str]:
    words: list[str] = containers(find(documents, kind, name))[container]["args"]
    return words


def test_there_is_none_and_no_pod_is_told_of_one_unless_it_is_asked_for():
    assert "node-cache" not in str(render())


def test_its_pods_run_under_pod_security_restricted_with_neither_token_nor_keys_of_the_store(
    cached: list[Json],
):
    pod = find(cached, "DaemonSet", NAME)["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert pod["automountServiceAccountToken"] is False
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"]) == (True, 65532)
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
    assert all("hostPort" not in port for port in container["ports"])
    kinds = {kind for volume in pod["volumes"] for kind in volume if kind != "name"}
    assert kinds == {"emptyDir", "secret", "configMap"}
    (secret,) = [volume["secret"] for volume in pod["volumes"] if "secret" in volume]
    assert secret["secretName"] == f"{NAME}-tls"


def test_a_pod_reaches_the_cache_of_its_own_node_and_no_other(cached: list[Json]):
    service = find(cached, "Service", NAME)["spec"]

    assert service["internalTrafficPolicy"] == "Local"
    url = f"--node-cache-url=https://{NAME}.ignition-hub.svc:{service['ports'][0]['port']}"
    assert url in arguments(cached, "Deployment", "ignition-hub-gateway", container=1)


def test_it_keeps_what_the_values_say_and_its_volume_holds_a_little_more(cached: list[Json]):
    pod = find(cached, "DaemonSet", NAME)["spec"]["template"]["spec"]

    assert f"--max-bytes={20 * 2**30}" in pod["containers"][0]["args"]
    assert {"name": "cache", "emptyDir": {"sizeLimit": "21Gi"}} in pod["volumes"]


@pytest.mark.parametrize(
    ("changes", "engines"),
    [
        ({}, "http://ignition-hub-s3.ignition-hub.svc:9000/engines/ignition/engines"),
        (OWN_STORE, "https://s3.example.com/engines/ignition/engines"),
        (merged(OWN_STORE, {"store": {"prefix": ""}}), "https://s3.example.com/engines/engines"),
    ],
)
def test_it_asks_for_engines_of_the_store_and_for_nothing_else(changes: Json, engines: str):
    assert f"--engines={engines}" in arguments(render(changes | ON), "DaemonSet", NAME)


def test_it_reaches_dns_and_the_store_and_nothing_else(cached: list[Json]):
    policy = find(cached, "NetworkPolicy", NAME)["spec"]
    builders = find(cached, "NetworkPolicy", "ignition-hub-builders")["spec"]

    assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "node-cache"
    assert policy["policyTypes"] == ["Egress"]
    dns, gateway, store = builders["egress"]
    assert policy["egress"] == [dns, store]
    assert gateway not in policy["egress"]


def test_its_certificate_is_made_by_whoever_makes_the_gateways():
    made = render(ON)
    (job,) = [d for d in made if d["kind"] == "Job" and "-keys-" in d["metadata"]["name"]]
    flags = containers(job)[0]["args"]
    assert f"--node-cache-certificate={NAME}-tls" in flags
    assert f"--node-cache-host={NAME}.ignition-hub.svc" in flags
    rules = find(made, "Role", "ignition-hub-keys")["rules"]
    assert ["ignition-hub-gateway-tls", f"{NAME}-tls"] in [rule.get("resourceNames") for rule in rules]

    issued = find(render(ON | {"certificates": {"mode": "certManager"}}), "Certificate", NAME)["spec"]
    assert (issued["secretName"], issued["dnsNames"]) == (f"{NAME}-tls", [f"{NAME}.ignition-hub.svc"])

    bundle = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n"
    external = {"certificates": {"mode": "external", "existingSecret": "tls", "caBundle": bundle}}
    assert "nodeCache.existingSecret" in refusal(ON | external)


def test_without_a_store_in_the_values_it_asks_for_the_address():
    changes = {"store": {"create": False}, "embeddedS3": {"enabled": False}}
    changes["networkPolicies"] = OWN_STORE["networkPolicies"]

    assert "store.endpoint" in refusal(changes | ON)
