"""The builder's talk with the gateway and the store, with everything going wrong that can."""

import hashlib
import ssl

import pytest

from fakegateway import TOKEN, FakeGateway
from ignition_builder.hub.download import DownloadSource
from ignition_builder.hub.gateway import GatewayClient
from ignition_builder.hub.inputs import download_all
from ignition_builder.hub.publishing import LOG_BYTES, log_of
from ignition_builder.hub.upload import MOST_PARTS, Uploader, part_size_for
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.protocol import PART_BYTES
from ignition_hub.wire import deadline, presigned
from ignition_hub.wire.address import Address
from smallmodels import request_for

MODEL = bytes(range(256)) * 4096
TLS = ssl.create_default_context()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(deadline, "FIRST_PAUSE", 0.001)


@pytest.fixture
def hub():
    with FakeGateway(request_for(), MODEL) as hub:
        yield hub


@pytest.fixture
def gateway(hub, tmp_path) -> GatewayClient:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    return GatewayClient(Address.of(hub.url), tmp_path / "token", TLS, patience=5.0)


def fetched(hub, gateway, folder, patience=5.0):
    source = DownloadSource(gateway.grant(), gateway.grant, TLS, patience)
    here = download_all(source, folder, lambda _: None)
    return here.digests, here.model


def reason_of(call, *args) -> Reason:
    return refusal_of(call, *args).reason


def refusal_of(call, *args) -> IgnitionError:
    with pytest.raises(IgnitionError) as caught:
        call(*args)
    assert caught.value.message
    return caught.value


# The gateway.


def test_a_grant_says_what_to_build(hub, gateway):
    assert gateway.grant().request == hub.request


@pytest.mark.parametrize("trouble", ["drop", 500, 502, 503, 429])
def test_passing_trouble_is_waited_out(trouble, hub, gateway):
    hub.stumble("grant", trouble, trouble)

    assert gateway.grant().request == hub.request
    assert hub.calls["grant"] == 3


def test_a_gateway_that_stays_away_is_a_reason_to_try_the_build_again(hub, gateway, tmp_path):
    hub.stumble("grant", *["drop"] * 1000)
    impatient = GatewayClient(gateway.address, gateway.token_file, TLS, patience=0.2)

    with pytest.raises(IgnitionError) as caught:
        impatient.grant()
    assert (caught.value.reason, caught.value.exit_code) == (Reason.GatewayUnavailable, 30)


def test_the_token_is_read_anew_for_every_attempt(hub, gateway):
    hub.tokens = {"the-next-token"}
    hub.stumble("grant", 503)
    gateway.token_file.write_text("the-next-token")

    assert gateway.grant().request == hub.request


def test_a_token_nobody_accepts_is_said_so(hub, gateway, monkeypatch):
    monkeypatch.setattr("ignition_builder.hub.gateway.SOON_SECONDS", 0.05)
    hub.tokens = set()

    assert reason_of(gateway.grant) is Reason.TokenRejected


def test_a_pod_the_gateway_has_not_seen_yet_asks_again(hub, gateway):
    hub.stumble("grant", (404, {"reason": "BuildNotFound", "message": "no Job of this pod"}))

    assert gateway.grant().request == hub.request


def test_a_refusal_keeps_its_reason_and_is_not_repeated(hub, gateway):
    hub.stumble("grant", (403, {"reason": "SourceForbidden", "message": "vision may not read it"}))

    assert reason_of(gateway.grant) is Reason.SourceForbidden
    assert hub.calls["grant"] == 1


@pytest.mark.parametrize(
    "answer", [{}, {"request": {}, "model_url": "", "model_size": 1, "max_model_bytes": 1}]
)
def test_an_answer_of_another_shape_is_refused(answer, hub, gateway):
    hub.stumble("grant", (200, answer))

    assert reason_of(gateway.grant) is Reason.InvalidRequest


def test_progress_is_said_once_and_never_hurts(hub, gateway):
    hub.stumble("progress", 500)

    assert not gateway.progress("Building engine", 10)
    assert gateway.progress("Building engine", 20)
    assert hub.progress == [{"phase": "Building engine", "percent": 20}]


# The model.


def test_the_model_arrives_with_its_digests(hub, gateway, tmp_path):
    digests, path = fetched(hub, gateway, tmp_path)

    assert path.read_bytes() == MODEL
    assert digests.sha256 == hashlib.sha256(MODEL).hexdigest()
    assert digests.md5 == hashlib.md5(MODEL).hexdigest()
    assert digests.size == len(MODEL)


def test_a_broken_download_goes_on_where_it_broke(hub, gateway, tmp_path):
    hub.stumble("model", "cut", 503, "cut", "drop")
    digests, path = fetched(hub, gateway, tmp_path)

    assert path.read_bytes() == MODEL
    assert digests.sha256 == hashlib.sha256(MODEL).hexdigest()
    assert hub.calls["model"] == 5


def test_an_expired_url_is_replaced_by_a_fresh_one(hub, gateway, tmp_path):
    hub.stumble("model", "cut", 403)

    assert fetched(hub, gateway, tmp_path)[1].read_bytes() == MODEL
    assert hub.calls["grant"] == 2


def test_a_url_that_is_refused_with_400_after_its_time_is_replaced_too(hub, gateway, tmp_path, monkeypatch):
    monkeypatch.setattr(presigned, "is_over", lambda *_: True)
    hub.stumble("model", "cut", 400)

    assert fetched(hub, gateway, tmp_path)[1].read_bytes() == MODEL
    assert hub.calls["grant"] == 2


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ([403, 403], Reason.SourceForbidden),
        ([404], Reason.SourceNotFound),
        ([302], Reason.SourceNotFound),
        (["cut", 412], Reason.ModelDigestMismatch),
    ],
)
def test_a_model_that_cannot_be_had_says_why(how, reason, hub, gateway, tmp_path):
    hub.stumble("model", *how)

    assert reason_of(fetched, hub, gateway, tmp_path) is reason


def test_a_model_that_was_replaced_after_the_grant_is_not_read(hub, gateway, tmp_path):
    source = DownloadSource(gateway.grant(), gateway.grant, TLS, 5.0)
    hub.model = MODEL[::-1]

    error = refusal_of(download_all, source, tmp_path, lambda _: None)

    assert error.reason is Reason.ModelDigestMismatch
    assert "was replaced while it was read" in error.message
    assert [path.stat().st_size for path in tmp_path.rglob("*.onnx")] == [0]


def test_a_store_that_stays_away_is_a_reason_to_try_again(hub, gateway, tmp_path):
    hub.stumble("model", *[503] * 1000)

    assert reason_of(fetched, hub, gateway, tmp_path, 0.1) is Reason.StoreUnavailable


@pytest.mark.parametrize("granted", [None, 0])
def test_a_model_above_the_limit_is_refused_whatever_was_granted(granted, hub, gateway, tmp_path):
    hub.max_model_bytes, hub.granted_size = 1000, granted

    error = refusal_of(fetched, hub, gateway, tmp_path)

    assert (error.reason, error.exit_code) == (Reason.ModelTooLarge, 16)
    assert "the hub accepts 1000" in error.message
    assert error.remedy == "raise the hub's limit, or make it smaller"
    assert [path.stat().st_size for path in tmp_path.rglob("*.onnx")] in ([], [0])


def test_a_model_of_another_size_than_granted_is_another_model(hub, gateway, tmp_path):
    hub.granted_size = len(MODEL) - 1

    assert reason_of(fetched, hub, gateway, tmp_path) is Reason.ModelDigestMismatch


def test_a_volume_too_small_for_the_build_is_noticed_first(hub, gateway, tmp_path):
    hub.granted_size = hub.max_model_bytes = 1 << 60

    assert reason_of(fetched, hub, gateway, tmp_path) is Reason.InsufficientDisk
    assert hub.calls["model"] == 0


# The engine.


def sent(gateway, folder, part_size, patience=5.0):
    path = folder / "engine.trt"
    path.write_bytes(MODEL)
    upload = gateway.upload(len(MODEL), hashlib.sha256(MODEL).hexdigest(), part_size)
    with Uploader(path, TLS, lambda _: None, patience) as uploader:
        return upload, uploader.send(upload, part_size)


def test_parts_arrive_whole_and_their_etags_in_order(hub, gateway, tmp_path):
    hub.stumble("part", 500, "drop", 503)
    upload, etags = sent(gateway, tmp_path, 100_000)

    parts = hub.uploads[upload.upload_id]
    assert b"".join(parts[number] for number in sorted(parts)) == MODEL
    assert etags == [f'"{hashlib.md5(parts[number]).hexdigest()}"' for number in sorted(parts)]
    assert len(etags) == 11


@pytest.mark.parametrize(("how", "reason"), [([500] * 1000, "StoreUnavailable"), ([400], "StoreUnavailable")])
def test_a_store_that_takes_no_part_is_a_reason_to_try_again(how, reason, hub, gateway, tmp_path):
    hub.stumble("part", *how)

    assert reason_of(sent, gateway, tmp_path, 6 << 20, 0.1) == reason


def test_very_large_engines_get_larger_parts():
    assert part_size_for(1) == PART_BYTES
    huge = 200 << 30
    assert -(-huge // part_size_for(huge)) <= MOST_PARTS


def test_a_long_log_keeps_its_beginning_and_its_end(tmp_path):
    (tmp_path / "log").write_text("first\n" + "x" * 2 * LOG_BYTES + "\nlast")
    log = log_of(tmp_path / "log")

    assert log.startswith("first")
    assert log.endswith("last")
    assert len(log) < LOG_BYTES + 100
