"""The commands as a person calls them: output, one-line errors, exit codes; kubectl is a script here."""

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from commandline import exit_code_of
from ignition_hub.cli.errors import REFUSED, CliError, Unreachable
from ignition_hub.cli.kubectl import Kubectl
from ignition_hub.cli.push import check_address
from ignition_hub.cli.upload import GatewayEndpoint, UploadFile

KUBECTL = """#!{python}
import sys, time
words = sys.argv[1:]
with open("{log}", "a") as log:
    print(*words, file=log)
if words[:2] == ["create", "token"]:
    print("a-token")
elif words[:2] == ["config", "view"]:
    print("vision", end="")
elif words[0] == "port-forward":
    print("Forwarding from 127.0.0.1:4711 -> 8443", flush=True)
    time.sleep(60)
else:
    sys.exit(words and "Error from server (Forbidden): you may not " + words[0])
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program, log = tmp_path / "kubectl", tmp_path / "calls"
    program.write_text(KUBECTL.format(python=sys.executable, log=log))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return log


ignition = partial(exit_code_of, program="kubectl-ignition")


@pytest.fixture
def uploads(monkeypatch: pytest.MonkeyPatch) -> list[GatewayEndpoint]:
    seen: list[GatewayEndpoint] = []

    def upload(gateway: GatewayEndpoint, file: UploadFile, *, progress: Any) -> str:
        seen.append(gateway)
        return f"s3://engines/{file.sha256}.onnx"

    monkeypatch.setattr("ignition_hub.cli.push.upload", upload)
    monkeypatch.setattr(Kubectl, "authority", lambda self, hub: "")
    return seen


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"model")
    return path


def test_push_prints_the_resource_and_nothing_else(
    calls: Path,
    uploads: list[GatewayEndpoint],
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    words = ["push", str(model), "--name", "m", "--version", "v1", "--arch", "sm_89", "-o", "json"]
    assert ignition(monkeypatch, *words) == 0

    printed = capsys.readouterr()
    resource = json.loads(printed.out)
    assert resource["metadata"] == {"name": "m", "namespace": "vision"}
    assert resource["spec"]["model"]["source"]["uri"].startswith("s3://engines/")
    assert "pushed m.onnx, 5 bytes" in printed.err
    assert uploads[0].url == "https://127.0.0.1:4711"
    assert uploads[0].server_name == "ignition-hub-gateway.ignition-hub.svc"
    asked = calls.read_text().splitlines()
    assert "create token default --namespace vision --audience ignition-hub --duration 1h" in asked
    assert "port-forward service/ignition-hub-gateway :443 --namespace ignition-hub" in asked


def test_push_goes_straight_to_a_gateway_that_is_named(
    calls: Path, uploads: list[GatewayEndpoint], model: Path, monkeypatch: pytest.MonkeyPatch
):
    words = ["push", str(model), "--name", "m", "--version", "v1", "--arch", "sm_89", "-n", "a"]
    assert ignition(monkeypatch, *words, "--gateway", "https://hub.example.com") == 0

    assert (uploads[0].url, uploads[0].server_name) == ("https://hub.example.com", None)
    assert "port-forward" not in calls.read_text()


def test_push_prints_a_target_for_one_product(
    calls: Path,
    uploads: list[GatewayEndpoint],
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    words = ["push", str(model), "--name", "m", "--version", "v1", "--arch", "sm_89", "-o", "json"]
    assert ignition(monkeypatch, *words, "--product", "NVIDIA-L4") == 0

    (target,) = json.loads(capsys.readouterr().out)["spec"]["targets"]
    assert target == {"gpuArch": "sm_89", "product": "NVIDIA-L4", "compatibility": "Product"}


def test_a_token_is_never_sent_in_plain_text(
    calls: Path,
    uploads: list[GatewayEndpoint],
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
):
    words = ["push", str(model), "--name", "m", "--version", "v1", "--arch", "sm_89"]
    assert ignition(monkeypatch, *words, "--gateway", "http://hub") == 1

    assert "must start with https://" in capsys.readouterr().err
    assert not uploads


@pytest.mark.parametrize(
    "url",
    [
        "https://host:abc",
        "https://host:99999",
        "https://hub..example.com",
        "https://xn--a",
        "https://[::1",
        "https://",
        "https://:8443",
    ],
)
@pytest.mark.parametrize("verb", ["push", "prune"])
@pytest.mark.usefixtures("calls")
def test_a_gateway_that_is_no_address_is_a_line_with_option_and_value(
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    verb: str,
    url: str,
):
    words = {
        "push": ["push", str(model), "--name", "m", "--version", "v1", "--arch", "sm_89"],
        "prune": ["prune", "--dry-run"],
    }
    assert ignition(monkeypatch, *words[verb], "--gateway", url) == REFUSED

    said = capsys.readouterr().err
    assert said.startswith(f"error: --gateway {url}: must be an address")
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    "url",
    ["https://[::1]:8443", "https://hub.example.com.", "https://h\u00fcb.example", "https://10.0.0.1/base"],
)
def test_a_gateway_is_reached_by_a_name_or_a_number(url: str):
    check_address(url)


def test_a_mistake_costs_no_call_to_the_cluster(
    calls: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    words = ["push", str(model), "--name", "m", "--version", "v1", "--arch", "sm_33"]
    assert ignition(monkeypatch, *words) == 1

    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert not calls.exists()


def test_kubectls_own_words_are_passed_on(calls: Path):
    with pytest.raises(CliError, match="you may not get") as caught:
        Kubectl().authority("ignition-hub")
    assert caught.value.exit_code == 1


def test_a_cluster_that_is_away_is_told_from_a_refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = tmp_path / "kubectl"
    program.write_text(
        "#!/bin/sh\necho 'Unable to connect to the server: dial tcp: i/o timeout' >&2\nexit 1\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    with pytest.raises(Unreachable, match="Unable to connect"):
        Kubectl().namespace()


def test_a_port_that_cannot_be_forwarded_points_to_the_other_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    program = tmp_path / "kubectl"
    program.write_text("#!/bin/sh\necho 'error: you may not forward' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    with (
        pytest.raises(CliError, match=r"you may not forward \(.*--gateway\)"),
        Kubectl().forward("ignition-hub"),
    ):
        pytest.fail("no port was forwarded")


def test_without_kubectl_one_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(CliError, match="kubectl is not on the PATH"):
        Kubectl().namespace()


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("error: current-context must exist in order to minify", CliError),
        (
            "The connection to the server localhost:8080 was refused - did you specify the right host?",
            Unreachable,
        ),
    ],
)
def test_without_a_cluster_the_error_says_how_to_choose_one(words, kind, tmp_path):
    program = tmp_path / "kubectl"
    program.write_text(f"#!/bin/sh\necho '{words}' >&2\nexit 1\n")
    program.chmod(0o755)

    with pytest.raises(kind, match="select a cluster: KUBECONFIG, or --context"):
        Kubectl(program=str(program)).namespace()
