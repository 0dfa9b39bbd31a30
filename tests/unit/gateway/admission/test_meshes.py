"""Where the fetcher stands in a pod of Istio or Linkerd, and as whom it runs there."""

import pytest

from ignition_hub.gateway.admission.injection import inject
from injectedpods import ENGINES, SETTINGS, injected, pod

ISTIO = {"name": "istio-proxy", "securityContext": {"runAsUser": 1337}}
LINKERD = {"name": "linkerd-proxy", "securityContext": {"runAsUser": 2102}}


def native(proxy):
    return {**proxy, "restartPolicy": "Always"}


def fetcher_in_mesh(*inits, sidecars=(), **annotations):
    """Return the names of the init containers, and the user of the fetcher."""
    spec = {"initContainers": [*inits], "containers": [{"name": "app"}, *sidecars]}
    order = injected(pod(spec=spec, **annotations))["spec"]["initContainers"]
    (fetcher,) = (one for one in order if one["name"] == "ignition-fetch")
    return [one["name"] for one in order], fetcher["securityContext"].get("runAsUser")


@pytest.mark.parametrize("proxy", [ISTIO, LINKERD], ids=lambda proxy: proxy["name"])
def test_the_fetcher_comes_behind_a_proxy_that_is_a_native_sidecar(proxy):
    inits = {"name": "init"}, native(proxy), {"name": "theirs"}

    order, user = fetcher_in_mesh(*inits)

    assert order == ["init", proxy["name"], "ignition-fetch", "theirs"]
    assert user is None


@pytest.mark.parametrize(
    ("check", "proxy"), [("istio-validation", ISTIO), ("linkerd-network-validator", LINKERD)]
)
def test_where_the_network_waits_for_the_proxy_the_fetcher_runs_as_its_user(check, proxy):
    order, user = fetcher_in_mesh({"name": check}, sidecars=[proxy])

    assert order == [check, "ignition-fetch"]
    assert user == proxy["securityContext"]["runAsUser"]
    assert fetcher_in_mesh({"name": check}, sidecars=[{"name": proxy["name"]}])[1] == user
    assert fetcher_in_mesh({"name": check}, native(proxy))[1] is None


def test_a_proxy_that_runs_as_another_user_is_followed_and_root_is_not():
    validation = {"name": "istio-validation"}

    assert fetcher_in_mesh(validation, sidecars=[as_user(1_000_660_001)])[1] == 1_000_660_001
    assert fetcher_in_mesh(validation, sidecars=[as_user(0)])[1] == 1337


def as_user(number):
    return {"name": "istio-proxy", "securityContext": {"runAsUser": number}}


def test_where_no_network_waits_for_a_proxy_the_fetcher_is_first_with_a_user_of_its_own():
    assert fetcher_in_mesh({"name": "linkerd-init"}, sidecars=[LINKERD]) == (
        ["ignition-fetch", "linkerd-init"],
        None,
    )


def test_the_fetcher_is_before_a_container_that_gets_engines_and_starts_before_the_proxy():
    inits = {"name": "layout"}, {"name": "linkerd-network-validator"}, native(LINKERD)

    order, user = fetcher_in_mesh(*inits, containers="layout")

    assert order == ["ignition-fetch", "layout", "linkerd-network-validator", "linkerd-proxy"]
    assert user == 2102


def test_the_fetcher_moves_when_a_mesh_comes_after_the_first_call():
    document = injected(pod())
    document["spec"]["initContainers"] += [{"name": "linkerd-network-validator"}, native(LINKERD)]

    document = injected(document)

    order = [one["name"] for one in document["spec"]["initContainers"]]
    assert order == ["linkerd-network-validator", "linkerd-proxy", "ignition-fetch"]
    assert inject(document, ENGINES, SETTINGS) == []


def test_the_proxy_of_a_mesh_gets_engines_only_where_it_is_named():
    spec = {"containers": [{"name": "app"}, ISTIO]}

    assert injected(pod(spec=spec))["spec"]["containers"][1] == ISTIO
    assert injected(pod(spec=spec, containers="istio-proxy"))["spec"]["containers"][1]["volumeMounts"]
