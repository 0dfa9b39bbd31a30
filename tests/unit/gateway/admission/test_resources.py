"""What the fetcher and the folder of the engines ask of a node, from what the pod itself asks."""

import pytest

from ignition_hub.compatibility.readiness import EngineView
from ignition_hub.gateway.admission.injection import inject
from injectedpods import MIB, SETTINGS, applied, both, injected, pod, sized


def asked_by_the_fetcher(*resources):
    containers = [{"name": f"c{n}", "resources": each} for n, each in enumerate(resources)]
    return injected(pod(spec={"containers": containers}))["spec"]["initContainers"][0]["resources"]


def test_the_fetcher_of_a_guaranteed_pod_has_limits_that_equal_its_requests():
    server = both(cpu="4", memory="8Gi")
    server["limits"] = {**server["limits"], "nvidia.com/gpu": "1"}

    assert asked_by_the_fetcher(server) == both(cpu="4", memory="8Gi")


def test_the_fetcher_of_a_burstable_pod_asks_for_what_a_container_does_limits_included():
    server = {"requests": {"cpu": "500m", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "4Gi"}}

    assert asked_by_the_fetcher(server) == server


def test_the_fetcher_of_a_pod_that_asks_for_nothing_asks_for_nothing():
    assert asked_by_the_fetcher({}, {}) == {}
    assert asked_by_the_fetcher({"limits": {"nvidia.com/gpu": "1"}, "claims": [{"name": "gpu"}]}) == {}


@pytest.mark.parametrize("turned", [False, True])
def test_the_fetcher_asks_for_what_the_container_with_the_most_cpu_does(turned):
    proxy, server = both(cpu="100m", memory="128Mi"), both(cpu="1.5", memory="8Gi")
    limited = {"limits": {"cpu": "1", "memory": "16Gi"}}

    found = asked_by_the_fetcher(*sorted([proxy, server, limited], key=str, reverse=turned))

    assert found == server


def test_a_container_with_too_little_memory_for_a_fetcher_is_not_its_model():
    small, server = both(cpu="8", memory="32Mi"), {"requests": {"cpu": "10m"}}

    assert asked_by_the_fetcher(small, server) == server


@pytest.mark.parametrize(
    ("theirs", "request_", "limit"),
    [
        (both(memory="32Mi"), "128Mi", "128Mi"),
        ({"requests": {"memory": "16Mi"}, "limits": {"memory": "64Mi"}}, "33554432", "128Mi"),
        ({"limits": {"memory": "64Mi"}}, None, "128Mi"),
        ({"requests": {"memory": "16Mi"}}, "16Mi", None),
    ],
)
def test_a_memory_limit_too_small_for_any_fetcher_is_raised_and_its_ratio_kept(theirs, request_, limit):
    found = asked_by_the_fetcher(theirs)

    assert found.get("requests", {}).get("memory") == request_
    assert found.get("limits", {}).get("memory") == limit


def test_a_limit_without_a_request_counts_as_the_request():
    limited = {"limits": {"cpu": "8", "memory": "1Gi"}}

    assert asked_by_the_fetcher(both(cpu="4", memory="8Gi"), limited) == limited


UNREADABLE = {"long": "9" * 1_500_000, "word": "many", "null": None, "object": {"a": "b"}, "exponent": "1e3"}


@pytest.mark.parametrize("quantity", UNREADABLE.values(), ids=UNREADABLE)
def test_a_quantity_that_cannot_be_read_is_left_to_the_api_server(quantity):
    theirs = {"requests": {"memory": quantity, "cpu": quantity}, "limits": {"memory": quantity}}

    assert asked_by_the_fetcher(theirs, {})["requests"]["memory"] == quantity


def size_limit(engines, *views):
    views = {view.name: view for view in views}
    patch = inject(pod(engines), views, SETTINGS)
    volumes = applied(pod(engines), patch)["spec"]["volumes"]
    return next(volume["emptyDir"] for volume in volumes if volume["name"] == "ignition-engines")["sizeLimit"]


def test_the_folder_of_the_engines_holds_each_twice_and_what_lies_beside():
    small, large = sized("small", 10 * MIB + 1), sized("large", 100 * MIB, 300 * MIB)

    assert size_limit("small", small) == f"{20 + 64 + 1}Mi"
    assert size_limit("small, large", small, large) == f"{20 + 600 + 64 + 1}Mi"
    assert size_limit("large, again=large", large) == f"{1200 + 64}Mi"


@pytest.mark.parametrize("view", [EngineView("bert"), sized("bert", 0), sized("bert", 10 * MIB, 0)])
def test_an_engine_whose_size_is_not_known_counts_as_the_largest_that_is_accepted(view):
    assert size_limit("bert", view) == f"{2 * 64 * 1024 + 64}Mi"


SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"


@pytest.mark.parametrize(
    ("theirs", "all_of_them"),
    [
        (None, "ignition-engines"),
        ("", "ignition-engines"),
        ("scratch", "scratch,ignition-engines"),
        ("a,ignition-engines,b", "a,ignition-engines,b"),
    ],
)
def test_the_engines_do_not_hold_the_node_when_the_cluster_shrinks(theirs, all_of_them):
    document = pod()
    if theirs is not None:
        document["metadata"]["annotations"][SAFE_TO_EVICT] = theirs

    assert injected(document)["metadata"]["annotations"][SAFE_TO_EVICT] == all_of_them


def test_the_fetcher_follows_what_another_webhook_made_the_pod_ask_for():
    document = injected(pod(spec={"containers": [{"name": "app", "resources": both(cpu="4")}]}))
    document["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "1"}}
    document["spec"]["initContainers"].insert(0, {"name": "theirs"})

    fetcher, theirs = injected(document)["spec"]["initContainers"]

    assert (fetcher["name"], fetcher["resources"]) == ("ignition-fetch", {"requests": {"cpu": "1"}})
    assert theirs == {"name": "theirs"}
