"""What the author of a pod is warned of."""

import pytest

from ignition_hub.gateway.admission.author_warnings import warnings_about
from ignition_hub.gateway.admission.injection import InjectionSettings
from injectedpods import ENGINES, MIB, SETTINGS, pod, sized


def warned(engines=None, **spec):
    return warnings_about(pod(spec=spec), engines or ENGINES, SETTINGS)


@pytest.mark.parametrize(
    ("spec", "because", "remedy"),
    [
        ({"hostNetwork": True}, "with hostNetwork and dnsPolicy ClusterFirst", "ClusterFirstWithHostNet"),
        ({"hostNetwork": True, "dnsPolicy": "Default"}, "dnsPolicy Default", "ClusterFirstWithHostNet"),
        ({"dnsPolicy": "Default"}, "with dnsPolicy Default", "set dnsPolicy: ClusterFirst"),
    ],
)
def test_a_pod_that_does_not_ask_the_clusters_dns_is_warned(spec, because, remedy):
    (warning,) = warned(**spec)

    assert "may not find gateway.svc" in warning
    assert because in warning
    assert warning.endswith(remedy)


def test_a_pod_that_asks_the_clusters_dns_or_a_gateway_outside_of_it_is_not_warned():
    outside = InjectionSettings(fetcher_image="f", gateway_url="https://hub.example.com:443")

    assert warned(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet") == []
    assert warned(dnsPolicy="None") == []
    assert warnings_about(pod(spec={"hostNetwork": True}), ENGINES, outside) == []


def test_a_pod_whose_engines_take_more_than_its_ephemeral_storage_is_warned():
    engines = {"arcface-r100": sized("arcface-r100", 2000 * MIB)}
    limited = {"limits": {"ephemeral-storage": "999Mi"}}
    containers = [{"name": name, "resources": limited} for name in ("app", "proxy")]

    (warning,) = warned(engines, containers=containers)

    assert "its engines take 2000 MiB of ephemeral storage" in warning
    assert "allow 1998 MiB" in warning
    assert warned(engines, containers=[*containers, {"name": "c", "resources": limited}]) == []
    assert warned(engines) == []
    assert warned(engines, containers=containers, volumes=[{"name": "ignition-engines"}]) == []
