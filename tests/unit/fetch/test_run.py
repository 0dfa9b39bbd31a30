"""A whole run of the fetcher against a gateway and a store on the loopback that misbehave on demand."""

import errno
import json
import os
import stat
import time

import pytest

from fetch_harness import ENGINE, KIB, SIGNATURE, nothing_is_visible, pausing_at_the_deadline, running_world
from ignition_hub.fetch import app, gateway, reporting
from ignition_hub.wire import deadline, presigned
from resolvedanswers import SELECTION


@pytest.fixture
def world(tmp_path, monkeypatch):
    with running_world(tmp_path, monkeypatch) as world:
        yield world


def test_the_engine_arrives_whole_and_every_user_may_read_it(world):
    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE
    assert stat.S_IMODE(world.paths.engine.stat().st_mode) == 0o444
    assert stat.S_IMODE(world.paths.folder.stat().st_mode) == 0o755
    assert sorted(path.name for path in world.paths.folder.iterdir()) == ["engine.json", "model.engine"]


def test_the_record_says_what_it_is_but_not_the_url(world):
    world.run()

    record = json.loads(world.paths.record.read_text())

    assert record["gpu"] == {"arch": "sm_89", "product": "NVIDIA-L4", "platform": "linux-x86_64"}
    assert record["sha256"] == world.digest
    assert SIGNATURE not in world.paths.record.read_text()


def test_it_says_once_which_engine_was_chosen_and_why(world, capsys):
    world.extra = {"selection": SELECTION.to_json()}
    world.store = [403] * 2

    assert world.run() == 0
    assert capsys.readouterr().out.count(f"model: {SELECTION.in_words()}\n") == 1
    assert json.loads(world.paths.record.read_text())["selection"] == SELECTION.to_json()


def test_every_byte_is_asked_for_once(world):
    world.run()

    assert sorted(world.ranges) == [(start, start + 16 * KIB) for start in range(0, len(ENGINE), 16 * KIB)]


def test_several_engines_each_get_a_folder(world):
    assert world.run(IGNITION_ENGINES="a=resnet, b=yolo") == 0
    assert world.asked == ["/v1/engines/resnet/resolve", "/v1/engines/yolo/resolve"]
    assert (world.folder / "engines" / "b" / "model.engine").read_bytes() == ENGINE


def test_a_pod_says_which_engines_it_has_and_for_which_gpu(world):
    world.run(IGNITION_ENGINES="a=resnet, b=yolo")

    digest = world.digest[:16]
    assert json.loads(world.message) == {
        "arch": "sm_89",
        "product": "NVIDIA-L4",
        "engines": [digest, digest],
        "fallback": None,
        "platform": "linux-x86_64",
    }


def test_a_pod_says_nothing_of_its_engines_where_the_gateway_did_not_say_for_which_gpu(world):
    world.extra = {"gpu": None}

    assert world.run() == 0
    assert world.message == ""


def test_an_engine_that_is_already_there_is_not_fetched_again(world):
    world.run()
    world.ranges.clear()

    assert world.run() == 0
    assert world.ranges == []


def test_a_file_with_other_bytes_is_replaced(world):
    world.paths.folder.mkdir(parents=True)
    world.paths.engine.write_bytes(b"\0" * len(ENGINE))

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE


def test_wrong_bytes_never_reach_the_final_path(world):
    world.content = ENGINE[:-1] + b"\0"

    assert world.run() == 41
    assert nothing_is_visible(world)
    assert list(world.paths.folder.iterdir()) == []
    assert world.digest in world.message


def test_wrong_bytes_leave_an_older_engine_where_it_is(world):
    world.run()
    world.digest, world.extra = "0" * 64, {"sha256": "0" * 64}

    assert world.run() == 41
    assert world.paths.engine.read_bytes() == ENGINE


def test_an_object_of_another_size_is_refused_before_it_is_downloaded(world):
    world.content = ENGINE + b"\0"

    assert world.run() == 41
    assert nothing_is_visible(world)
    assert f"{len(ENGINE) + 1} bytes" in world.message


def test_it_waits_while_the_engine_is_not_ready(world, capsys):
    world.resolves = [(409, {"reason": "EngineNotReady", "message": "building, 42 %"})] * 3

    assert world.run() == 0
    assert len(world.asked) == 4
    assert capsys.readouterr().out.count("waiting: engine resnet: building, 42 %") == 1


def test_the_token_is_read_again_for_every_call(world, monkeypatch):
    world.resolves = [(409, {"reason": "EngineNotReady"})]
    pause = deadline.Deadline.pause

    def rotate(self, attempt):
        if world.tokens:
            (world.folder / "token").write_text("second")
        pause(self, attempt)

    monkeypatch.setattr(deadline.Deadline, "pause", rotate)

    assert world.run() == 0
    assert world.tokens == ["Bearer first", "Bearer second"]


def test_an_engine_that_is_never_ready_ends_with_its_own_code(world, monkeypatch):
    pausing_at_the_deadline(monkeypatch)
    world.resolves = [(409, {"reason": "EngineNotReady", "message": "queued"})] * 1000

    assert world.run(IGNITION_DEADLINE_SECONDS="1") == 49
    assert "queued" in world.message


def test_a_miss_is_waited_for_by_default(world):
    world.resolves = [(422, {"reason": "NoEngineForGPU", "message": "node has sm_90"})] * 2

    assert world.run() == 0


def test_a_miss_fails_at_once_where_the_pod_asked_for_that(world):
    world.resolves = [(422, {"reason": "NoEngineForGPU", "message": "the node has sm_90"})]

    assert world.run(IGNITION_ON_MISS="Fail") == 40
    assert len(world.asked) == 1
    assert "the node has sm_90" in world.message


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (403, {"reason": "NotPermitted", "message": "another namespace"}, 42),
        (401, {"reason": "TokenRejected", "message": "expired"}, 42),
        (404, {"reason": "EngineNotFound", "message": "no such engine"}, 47),
        (422, {"reason": "ManifestRefused", "message": "bad signature"}, 48),
        (307, {}, 43),
        (418, {}, 43),
    ],
)
def test_an_answer_that_will_not_change_ends_the_run_with_its_code(world, status, body, code):
    world.resolves = [(status, body)]

    assert world.run() == code
    assert len(world.asked) == 1
    assert nothing_is_visible(world)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_gateway_in_trouble_is_asked_again(world, status):
    world.resolves = [(status, {})] * 3

    assert world.run() == 0


@pytest.mark.parametrize(("reason", "code"), [("StoreUnavailable", 44), ("", 43)])
def test_trouble_that_lasts_ends_with_the_code_of_who_has_it(world, monkeypatch, reason, code):
    pausing_at_the_deadline(monkeypatch)
    world.resolves = [(502, {"reason": reason, "message": "no bucket"})] * 1000

    assert world.run(IGNITION_DEADLINE_SECONDS="1") == code


def test_a_gateway_that_is_not_there_is_named(world):
    world.close()
    started = time.monotonic()

    assert world.run(IGNITION_DEADLINE_SECONDS="0.1") == 43
    assert time.monotonic() - started < 2
    assert world.url in world.message


@pytest.mark.parametrize(
    "answer",
    [
        {"size": "12"},
        {"size": 0},
        {"size": True},
        {"sha256": "XYZ"},
        {"sha256": None},
        {"url": None},
        {"url": "file:///etc/passwd"},
        {"url": "https://user:word@host/"},
    ],
)
def test_an_answer_that_cannot_be_believed_is_refused(world, answer):
    world.extra = answer

    assert world.run() == 43
    assert next(iter(answer)) in world.message or "URL" in world.message or "scheme" in world.message
    assert world.ranges == []


@pytest.mark.parametrize("status", [408, 429, 500, 503])
def test_a_store_in_trouble_is_asked_again(world, status):
    world.store = [status] * 5

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE


def test_a_part_that_was_cut_goes_on_from_the_byte_it_reached(world):
    world.store = ["cut"]

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE
    assert any((first + 8 * KIB, stop) in world.ranges for first, stop in world.ranges)


def test_a_store_that_stays_away_ends_with_its_code(world):
    world.store = [503] * 10000

    assert world.run(IGNITION_DEADLINE_SECONDS="1") == 44
    assert nothing_is_visible(world)


@pytest.mark.parametrize(("status", "word"), [(307, "redirect"), (404, "no such object"), (200, "ranges")])
def test_an_answer_of_the_store_that_will_not_change_ends_the_run(world, status, word):
    world.store = [status] * 100

    assert world.run() == 44
    assert word in world.message
    assert nothing_is_visible(world)


def test_a_url_whose_time_is_over_is_asked_for_again_and_what_arrived_stays(world):
    world.store = [None, None, None, 403]

    assert world.run() == 0
    assert len(world.asked) == 2
    assert len(world.ranges) < 2 * len(ENGINE) // (16 * KIB)
    assert world.paths.engine.read_bytes() == ENGINE


@pytest.mark.parametrize(
    ("is_over", "code", "asked"), [(True, 0, 2), (False, 44, 1)], ids=["over", "in time"]
)
def test_a_refusal_with_400_means_the_url_only_when_its_time_is_over(
    world, monkeypatch, is_over, code, asked
):
    monkeypatch.setattr(presigned, "is_over", lambda *_: is_over)
    world.store = [None, None, None, 400]

    assert world.run() == code
    assert len(world.asked) == asked


def test_a_store_that_refuses_every_fresh_url_is_given_up(world):
    world.store = [403] * 1000

    assert world.run() == 44
    assert len(world.asked) == app.LINKS_WITHOUT_PROGRESS


def test_a_download_that_does_not_end_is_stopped_at_the_deadline(world):
    world.slow = 1.0

    assert world.run(IGNITION_DEADLINE_SECONDS="1.9") == 45
    assert "bytes arrived" in world.message
    assert nothing_is_visible(world)


def test_too_little_space_is_refused_before_the_first_byte(world, monkeypatch):
    real = os.statvfs(world.folder)
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result([*real[:4], 1, *real[5:]]))

    assert world.run() == 46
    assert world.ranges == []
    assert f"{len(ENGINE)} more bytes" in world.message


def test_a_disk_that_fills_up_on_the_way_is_named(world, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)

    assert world.run() == 46
    assert nothing_is_visible(world)


def test_a_mount_that_cannot_be_written_is_named(world):
    (world.folder / "engines").write_text("a file where a folder should be")

    assert world.run() == 47
    assert "cannot be written" in world.message


def test_a_file_system_without_preallocation_will_do(world, monkeypatch):
    def unsupported(*_):
        raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))

    monkeypatch.setattr(os, "posix_fallocate", unsupported)

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE


def test_proxy_variables_of_the_pod_are_ignored(world, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")

    assert world.run() == 0


def test_the_message_is_one_line_without_a_signature(world, capsys):
    world.store = [404] * 100
    world.run()

    assert capsys.readouterr().err == f"{world.message}\n"
    assert "\n" not in world.message
    assert SIGNATURE not in world.message
    assert world.message.startswith("StoreUnavailable: ")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("IGNITION_GATEWAY_URL", "gateway"),
        ("IGNITION_GATEWAY_URL", ""),
        ("IGNITION_ENGINES", ""),
        ("IGNITION_ENGINES", "resnet"),
        ("IGNITION_ENGINES", "../up=resnet"),
        ("IGNITION_DEADLINE_SECONDS", "soon"),
        ("IGNITION_DEADLINE_SECONDS", "-1"),
        ("IGNITION_DEADLINE_SECONDS", "nan"),
        ("IGNITION_ON_MISS", "fallback"),
        ("IGNITION_CA", "not a certificate"),
        ("IGNITION_CA_FILE", "/nonexistent/ca.crt"),
    ],
)
def test_a_setting_that_is_wrong_is_named(world, variable, value):
    assert world.run(**{variable: value}) == 47
    assert variable.removesuffix("_FILE") in world.message
    assert world.asked == []


def test_a_fault_of_our_own_is_one_line_too(world, monkeypatch, capsys):
    monkeypatch.setattr(app, "resolve", lambda *_: {}["absent"])

    assert world.run() == 47
    assert capsys.readouterr().err == "Crashed: KeyError: 'absent'. Please report this.\n"


def test_a_host_name_that_cannot_exist_is_one_line_too(world):
    assert world.run(IGNITION_GATEWAY_URL=f"http://{'x' * 64}.svc", IGNITION_DEADLINE_SECONDS="0.1") == 43


def test_a_token_that_is_missing_is_named(world):
    (world.folder / "token").unlink()

    assert world.run() == 47
    assert "token" in world.message


def test_answers_larger_than_any_engine_record_are_not_read(world, monkeypatch):
    pausing_at_the_deadline(monkeypatch)
    monkeypatch.setattr(gateway, "LARGEST_ANSWER", 64)

    assert world.run(IGNITION_DEADLINE_SECONDS="1") == 43
    assert "larger than 64 bytes" in world.message


def test_the_gateway_is_told_once_what_the_run_took_in_the_order_of_the_engines(world):
    world.resolves = [(409, {"reason": "EngineNotReady", "message": "building"})] * 2
    assert world.run(IGNITION_ENGINES="a=resnet, b=yolo") == 0

    [(token, accounts)] = world.reports
    assert token == "Bearer first"  # of the harness
    assert [(each["outcome"], each["fetched_bytes"]) for each in accounts] == [("fetched", len(ENGINE))] * 2
    assert accounts[0]["waited"] > 0
    assert all(0 <= each["seconds"] < 10 for each in accounts)


def test_an_engine_that_was_there_is_told_as_present_and_moved_no_bytes(world):
    world.run()
    world.run()

    _, [account] = world.reports[1]
    assert (account["outcome"], account["fetched_bytes"]) == ("present", 0)


def test_a_fetch_that_failed_is_told_with_its_reason(world):
    world.content = ENGINE[:-1] + b"\0"
    assert world.run() == 41

    _, [account] = world.reports[0]
    assert (account["outcome"], account["reason"]) == ("failed", "DigestMismatch")


@pytest.mark.parametrize("status", [404, 500, 307])
def test_a_gateway_that_does_not_take_the_report_changes_nothing(world, status):
    world.report_status = status

    assert world.run() == 0
    assert world.paths.engine.read_bytes() == ENGINE


def test_a_gateway_that_could_not_be_used_is_not_asked_to_take_a_report(world):
    world.resolves = [(418, {})]

    assert world.run() == 43
    assert world.reports == []


def test_a_gateway_that_does_not_answer_the_report_is_left_after_a_moment(world, monkeypatch):
    monkeypatch.setattr(reporting, "CALL_SECONDS", 0.05)
    world.report_seconds = 20.0
    started = time.monotonic()

    assert world.run() == 0
    assert time.monotonic() - started < 20.0
