"""The chart: what builders reach over the network, judged as Kubernetes does."""

from ipaddress import ip_address, ip_network
from typing import NamedTuple

import pytest

from chart_harness import CHART, HELM, OWN_STORE, TRIAL, Json, find, helm, merged, refusal, render

pytestmark = pytest.mark.skipif(
    not HELM.exists(), reason="helm is not built: PYTHONPATH=tests/tools python3 -m localcluster build"
)


class Place(NamedTuple):
    """Where a connection goes: a pod, or an address outside of the cluster."""

    port: int
    address: str = ""
    namespace: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    protocol: str = "TCP"


def hub(component: str, port: int, instance: str = "ignition-hub") -> Place:
    labels = {"name": "ignition-hub", "instance": instance, "component": component}
    named = tuple((f"app.kubernetes.io/{key}", value) for key, value in labels.items())
    return Place(port, namespace="ignition-hub", labels=named)


def dns(
    namespace: str = "kube-system", app: str = "kube-dns", port: int = 53, protocol: str = "UDP"
) -> Place:
    return Place(port, namespace=namespace, labels=(("k8s-app", app),), protocol=protocol)


def reaches(policy: Json, place: Place) -> bool:
    """Whether a policy lets its pods connect to a place."""
    ports = {"port": place.port, "protocol": place.protocol}
    rules = [rule for rule in policy["spec"].get("egress", []) if ports in rule["ports"]]
    return any(peer_is(peer, place) for rule in rules for peer in rule["to"])


def peer_is(peer: Json, place: Place) -> bool:
    if block := peer.get("ipBlock"):
        networks = [ip_network(cidr) for cidr in (block["cidr"], *block.get("except", []))]
        inside, *excepted = [
            bool(place.address) and ip_address(place.address) in network for network in networks
        ]
        return inside and not any(excepted)
    wanted = peer.get("namespaceSelector", {}).get("matchLabels", {})
    labels = peer.get("podSelector", {}).get("matchLabels", {})
    is_there = wanted.get("kubernetes.io/metadata.name", place.namespace) == place.namespace
    return bool(place.namespace) and is_there and labels.items() <= dict(place.labels).items()


def builders(changes: Json | None = None) -> Json:
    return find(render(changes), "NetworkPolicy", "ignition-hub-builders", "ignition-hub-builds")


NOWHERE = [
    Place(443, address="198.51.100.1"),
    Place(80, address="169.254.169.254"),
    Place(443, address="169.254.169.254"),
    Place(53, address="198.51.100.1", protocol="UDP"),
    Place(443, address="10.96.0.1"),
    Place(6443, address="192.0.2.10"),
    dns(namespace="vision"),
    dns(app="other"),
    dns(port=443, protocol="TCP"),
    Place(443, namespace="vision", labels=(("app", "web"),)),
    Place(8443, namespace="vision", labels=hub("gateway", 8443).labels),
    hub("controller", 8080),
    hub("gateway", 8080),
    hub("gateway", 8443, instance="another"),
]


def test_builders_reach_nothing_but_dns_the_gateway_and_the_store_unless_told_otherwise():
    policy = builders()

    assert policy["spec"]["podSelector"] == {}
    assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in policy["spec"]
    for place in (dns(), dns(protocol="TCP"), hub("gateway", 8443), hub("s3", 9000)):
        assert reaches(policy, place), place
    for place in (*NOWHERE, Place(9000, address="203.0.113.7")):
        assert not reaches(policy, place), place


def test_builders_reach_a_store_outside_of_the_cluster_at_its_addresses_and_port():
    policy = builders(merged(OWN_STORE, {"store": {"endpoint": "https://s3.example.com:9443"}}))

    assert reaches(policy, Place(9443, address="203.0.113.7"))
    for place in (
        *NOWHERE,
        Place(443, address="203.0.113.7"),
        Place(9443, address="203.0.114.7"),
        hub("s3", 9000),
    ):
        assert not reaches(policy, place), place


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [
        ("https://s3.example.com", 443),
        ("http://s3.example.com", 80),
        ("https://[2001:db8::1]:9000", 9000),
        ("https://s3.example.com/", 443),
    ],
)
def test_the_port_of_the_store_is_that_of_its_endpoint(endpoint: str, port: int):
    policy = builders(merged(OWN_STORE, {"store": {"endpoint": endpoint}}))

    assert policy["spec"]["egress"][-1]["ports"] == [{"port": port, "protocol": "TCP"}]


def test_builders_reach_the_pods_of_a_store_in_the_cluster():
    minio = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "minio"}}}
    peers = {"networkPolicies": {"store": {"to": [minio], "ports": [9000, 9001]}}}
    policy = builders(OWN_STORE | peers)

    assert reaches(policy, Place(9001, namespace="minio"))
    assert not reaches(policy, Place(443, namespace="minio"))
    assert not reaches(policy, Place(9000, namespace="vision"))


def test_an_endpoint_of_ones_own_beside_the_embedded_server_is_asked_for_too():
    assert "networkPolicies.store.to: missing" in refusal({"store": {"endpoint": "https://s3.example.com"}})


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ([], "networkPolicies.store.to: missing"),
        ([{"ipBlock": {"cidr": "0.0.0.0/0"}}], "Add except: [169.254.0.0/16]"),
        ([{"ipBlock": {"cidr": "::/0", "except": ["fe80::/10"]}}], "Add except: [fd00:ec2::/32]"),
        ([{"ipBlock": {"cidr": "s3.example.com"}}], "cidr"),
        ([{}], "minProperties"),
        ([{"cidr": "203.0.113.0/24"}], "cidr"),
    ],
)
def test_a_store_at_no_address_or_at_every_address_is_refused(to: list[Json], said: str):
    assert said in refusal(OWN_STORE | {"networkPolicies": {"store": {"to": to}}})


def test_a_store_at_any_address_can_be_asked_for_without_the_credentials_of_nodes():
    anywhere = [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]}}]
    policy = builders(OWN_STORE | {"networkPolicies": {"store": {"to": anywhere}}})

    assert reaches(policy, Place(443, address="198.51.100.1"))
    assert not reaches(policy, Place(443, address="169.254.169.254"))


def test_the_schedule_reaches_dns_and_the_gateway_and_nothing_else():
    policy = find(render(), "NetworkPolicy", "ignition-hub-prune")["spec"]

    assert policy["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "prune"
    assert policy["policyTypes"] == ["Egress"]
    dns, gateway = policy["egress"]
    assert {each["port"] for each in dns["ports"]} == {53}
    (peer,) = gateway["to"]
    assert peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] == "gateway"
    assert gateway["ports"] == [{"port": 8443, "protocol": "TCP"}]


def test_without_policies_there_are_none_and_the_store_need_not_be_said():
    documents = render(OWN_STORE | {"networkPolicies": {"enabled": False}})

    assert not [document for document in documents if document["kind"] == "NetworkPolicy"]


@pytest.mark.parametrize(("value", "spec"), [(True, {}), (False, {"hostUsers": False})])
def test_builders_of_the_pool_get_a_user_namespace_of_their_own_where_asked(value: bool, spec: Json):
    pool = find(render({"pools": {"rtx": {"hostUsers": value}}}), "BuildPool", "rtx")["spec"]

    assert {key: pool[key] for key in pool if key == "hostUsers"} == spec


def test_an_installation_without_policies_is_told_what_builders_reach():
    values = merged(TRIAL, {"networkPolicies": {"enabled": False}})
    words = ["ignition-hub", str(CHART), "--namespace", "ignition-hub", "--dry-run=client"]

    assert (
        "builders, which parse models of tenants, reach all" in helm("install", *words, values=values).stdout
    )
    assert "reach all" not in helm("install", *words, values=TRIAL).stdout
