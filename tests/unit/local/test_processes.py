"""Several processes of one machine: they build once, and one that is ended leaves nothing behind."""

import json
import os
import signal
from pathlib import Path

import pytest

from local_harness import ARCH, children_of, command, files_in, finished, is_alive, until
from smallmodels import dense, saved

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return saved(dense(), tmp_path)


def test_two_processes_at_once_build_once(tmp_path, model):
    words = ("build", model, "--arch", ARCH, "--cache-dir", tmp_path / "cache", "-o", "json")
    processes = [command(*words) for _ in range(2)]
    results = [finished(process) for process in processes]

    assert [code for code, _, _ in results] == [0, 0], results
    documents = [json.loads(out) for _, out, _ in results]
    assert sorted(document.pop("source") for document in documents) == ["built", "local_cache"]
    assert documents[0] == documents[1]


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -signal.SIGKILL)]
)
def test_a_build_that_is_ended_leaves_nothing_visible_and_the_next_one_builds(tmp_path, model, number, code):
    cache = tmp_path / "cache"
    words = ("build", model, "--arch", ARCH, "--cache-dir", cache)
    process = command(*words)
    until(lambda: len(children_of(process.pid)) == 2, process)
    children = children_of(process.pid)
    # Held until the signal is there: on a fast machine the engine would be too.
    for child in children:
        os.kill(child, signal.SIGSTOP)
    process.send_signal(number)
    for child in children:
        os.kill(child, signal.SIGCONT)
    ended, out, err = finished(process)

    assert (ended, out) == (code, "")
    assert "Traceback" not in err
    assert not (cache / "engines").exists()
    if number != signal.SIGKILL:
        assert files_in(cache) == set()
    until(lambda: not any(is_alive(child) for child in children))
    assert finished(command(*words))[0] == 0
    assert len(files_in(cache)) == 3


def test_who_waits_says_so_and_gets_the_others_engine(tmp_path, model):
    words = ("build", model, "--arch", ARCH, "--cache-dir", tmp_path / "cache", "-o", "json")
    first = command(*words)
    until(lambda: len(children_of(first.pid)) == 2, first)
    children = children_of(first.pid)
    # Stopped, not ended: it keeps its lock for as long as the second needs to lose patience.
    first.send_signal(signal.SIGSTOP)
    second = command(*words)
    assert second.stderr is not None
    said = second.stderr.readline()
    first.send_signal(signal.SIGCONT)

    assert "another process is building model_local_fp16_sm_89_1.7.1.trt; waiting for it" in said
    assert json.loads(finished(first)[1])["source"] == "built"
    assert json.loads(finished(second)[1])["source"] == "local_cache"
    until(lambda: not any(is_alive(child) for child in children))
