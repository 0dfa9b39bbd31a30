"""Which proxy requests to the API server go through."""

import pytest
from yarl import URL

from ignition_hub.kube.connection import proxy_of

SERVER = "https://kubernetes.example:6443"
VARIABLES = ("HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "ALL_PROXY")


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    return monkeypatch


def test_without_a_word_there_is_no_proxy(environment: pytest.MonkeyPatch) -> None:
    assert proxy_of(SERVER, None) == (None, {})
    environment.setenv("HTTP_PROXY", "http://other.example:3128")
    assert proxy_of(SERVER, None) == (None, {})


def test_the_environment_names_the_proxy_and_its_credentials(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "http://me:secret@proxy.example:3128")

    assert proxy_of(SERVER, None) == (
        URL("http://proxy.example:3128"),
        {"Proxy-Authorization": "Basic bWU6c2VjcmV0"},
    )


def test_a_server_that_is_to_be_reached_directly_is(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    environment.setenv("NO_PROXY", "kubernetes.example,10.0.0.1")

    assert proxy_of(SERVER, None) == (None, {})
    assert proxy_of("https://10.0.0.1:443", None) == (None, {})
    assert proxy_of("https://10.0.0.2:443", None) == (URL("http://proxy.example:3128"), {})


def test_the_proxy_of_a_kubeconfig_goes_before_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    environment.setenv("NO_PROXY", "*")

    assert proxy_of(SERVER, "http://given.example:8080") == (URL("http://given.example:8080"), {})
