"""Everything a grant names comes beside the model, whole, and is what was pinned."""

import hashlib
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from fakegateway import TOKEN, FakeGateway
from ignition_builder.files import DataFile, Files
from ignition_builder.hub.download import DownloadSource
from ignition_builder.hub.gateway import GatewayClient
from ignition_builder.hub.inputs import Arrived, download_all
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.request import BuildGrant, GrantedFile
from ignition_hub.wire import deadline
from ignition_hub.wire.address import Address
from smallmodels import request_for

MODEL, WEIGHTS, BIAS = b"m" * 1000, b"w" * 3000, b"b" * 10
SAMPLES, LIBRARY, OTHER_LIBRARY = b"PK samples", b"ELF one", b"ELF two"
TLS = ssl.create_default_context()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pin(uri: str, data: bytes) -> dict[str, str]:
    return {"uri": uri, "sha256": digest(data)}


OPTIONS = {
    "calibration": {"source": pin("s3://models/samples.npz", SAMPLES)},
    "plugins": [
        {"name": "one", "source": pin("s3://plugins/one/plugin.so", LIBRARY)},
        {"name": "two", "source": pin("s3://plugins/two/plugin.so", OTHER_LIBRARY)},
    ],
}
VERIFICATION = {"accuracy": {"inputs": {"source": pin("s3://models/inputs.npz", SAMPLES)}}}
DATA = {("data", "weights.bin"): WEIGHTS, ("data", "layers/0/bias.bin"): BIAS}
PINNED = {
    ("calibration", "samples.npz"): SAMPLES,
    ("inputs", "inputs.npz"): SAMPLES,
    ("plugin", "one"): LIBRARY,
    ("plugin", "two"): OTHER_LIBRARY,
}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(deadline, "FIRST_PAUSE", 0.001)


@pytest.fixture
def hub():
    with FakeGateway(request_for(), MODEL, dict(DATA)) as hub:
        yield hub


@pytest.fixture
def pinned_hub():
    request = request_for(options=OPTIONS, verification=VERIFICATION)
    with FakeGateway(request, MODEL, {**DATA, **PINNED}) as hub:
        yield hub


def arrived(hub: FakeGateway, folder: Path, count=lambda part: None, grant=None) -> Arrived:
    (folder / "token").write_text(TOKEN)
    gateway = GatewayClient(Address.of(hub.url), folder / "token", TLS, patience=5.0)
    return download_all(
        DownloadSource(grant or gateway.grant(), gateway.grant, TLS, 5.0), folder / "work", count
    )


def refusal(hub: FakeGateway, folder: Path, **options) -> IgnitionError:
    with pytest.raises(IgnitionError) as refused:
        arrived(hub, folder, **options)
    return refused.value


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "work").mkdir()
    return tmp_path


def test_external_data_lies_beside_the_model_under_its_own_names(hub, folder):
    here = arrived(hub, folder)

    assert here.model.read_bytes() == MODEL
    assert (here.model.parent / "weights.bin").read_bytes() == WEIGHTS
    assert (here.model.parent / "layers/0/bias.bin").read_bytes() == BIAS
    assert here.digests.sha256 == digest(MODEL)
    assert here.files == Files(
        data=(
            DataFile("weights.bin", digest(WEIGHTS), 3000),
            DataFile("layers/0/bias.bin", digest(BIAS), 10),
        )
    )


def test_progress_counts_the_bytes_of_all_files(hub, folder):
    heard: list[float] = []
    arrived(hub, folder, heard.append)

    assert heard == sorted(heard)
    assert heard[0] == pytest.approx(1000 / 4010)
    assert heard[-1] == 1.0


def test_a_broken_download_of_data_goes_on_and_an_expired_url_is_renewed(hub, folder):
    hub.stumble("file", "cut", 503, 403)
    here = arrived(hub, folder)

    assert (here.model.parent / "weights.bin").read_bytes() == WEIGHTS
    assert hub.calls["grant"] == 2


def test_pinned_files_are_given_by_what_they_are_for(pinned_hub, folder):
    files = arrived(pinned_hub, folder).files

    assert files.calibration.read_bytes() == SAMPLES
    assert files.calibration.name == "samples.npz"
    assert files.inputs.read_bytes() == SAMPLES
    assert {name: path.read_bytes() for name, path in files.plugins.items()} == {
        "one": LIBRARY,
        "two": OTHER_LIBRARY,
    }
    assert Files.from_json(files.to_json()) == files


@pytest.mark.parametrize(
    ("key", "field"),
    [
        (("calibration", "samples.npz"), "options.calibration.source: s3://models/samples.npz"),
        (("inputs", "inputs.npz"), "verification.accuracy.inputs.source: s3://models/inputs.npz"),
        (("plugin", "two"), "options.plugins[two].source: s3://plugins/two/plugin.so"),
    ],
)
def test_a_file_that_is_not_the_pinned_one_is_refused_by_field(pinned_hub, folder, key, field):
    pinned_hub.files[key] = b"something else"
    error = refusal(pinned_hub, folder)

    assert (error.reason, error.exit_code) == (Reason.ModelDigestMismatch, 12)
    assert error.message.startswith(f"{field} has SHA-256 {digest(b'something else')}")


def test_a_pinned_file_that_was_not_granted_is_noticed(pinned_hub, folder):
    del pinned_hub.files[("plugin", "one")]

    assert "options.plugins[one].source is pinned but was not granted" in refusal(pinned_hub, folder).message


def test_a_granted_file_nobody_asked_for_is_refused(hub, folder):
    hub.files[("plugin", "surprise")] = LIBRARY

    assert "the request has no plugin 'surprise'" in refusal(hub, folder).message
    assert hub.calls["model"] == 0


@pytest.mark.parametrize(
    "name", ["../escape.bin", "/etc/passwd", "a/../../b", "a//b", "", ".", "a\\b", "model.onnx"]
)
def test_data_cannot_leave_the_models_folder_or_replace_it(hub, folder, name):
    hub.files = {("data", name): BIAS}
    error = refusal(hub, folder)

    assert error.reason is Reason.InvalidRequest
    assert f"{name!r} is not a new file" in error.message
    assert sorted(path.name for path in folder.rglob("*") if path.is_file()) == ["model.onnx", "token"]


def test_model_and_data_together_have_a_limit(hub, folder):
    hub.max_model_bytes = 4000
    error = refusal(hub, folder)

    assert (error.reason, error.message) == (
        Reason.ModelTooLarge,
        "the model has 4010 bytes or more, but the hub accepts 4000",
    )
    assert hub.calls["model"] == 0


def test_data_of_another_size_than_granted_is_other_data(hub, folder):
    (weights, bias) = BuildGrant.from_json(hub.grant()).files
    grant = replace(BuildGrant.from_json(hub.grant()), files=(replace(weights, size=2999), bias))
    error = refusal(hub, folder, grant=grant)

    assert error.reason is Reason.ModelDigestMismatch
    assert "external data weights.bin has 3000 bytes, but had 2999" in error.message


def test_data_that_cannot_be_had_is_named(hub, folder):
    hub.stumble("file", 404)
    error = refusal(hub, folder)

    assert error.reason is Reason.SourceNotFound
    assert "does not have the model's external data weights.bin (404)" in error.message


def test_a_volume_too_small_for_all_of_it_is_noticed_first(hub, folder):
    hub.max_model_bytes = 1 << 62
    vast = GrantedFile("data", "vast.bin", f"{hub.url}/file/0", 1 << 60)
    grant = replace(BuildGrant.from_json(hub.grant()), files=(vast,))

    assert refusal(hub, folder, grant=grant).reason is Reason.InsufficientDisk
    assert hub.calls["model"] == 0
