"""However a child process ends, its parent has an answer or a reason."""

import os
import signal
import sys
import textwrap
import time

import pytest

from ignition_builder.documents import INSPECT, Task
from ignition_builder.stage_process import Child
from ignition_hub.engine.errors import IgnitionError, NodeError, Reason, TransientError
from smallmodels import request_for

PRELUDE = "import json, os, signal, sys, time\nfd = int(sys.argv[2])\ntask = sys.stdin.read()\n"


def run(script, folder, *, seconds=20.0, heard=None):
    """Run a child made of ``script`` on a task; returns its answer."""
    program = folder / "child.py"
    program.write_text(PRELUDE + textwrap.dedent(script))
    task = Task(stage=INSPECT, request=request_for(), model="m", folder=str(folder), log=str(folder / "log"))
    watch = (lambda *word: heard.append(word)) if heard is not None else (lambda *_: None)
    with Child(INSPECT, folder / "log", (sys.executable, "-S", str(program))) as child:
        return child.run(task, watch, time.monotonic() + seconds)


def failure_of(script, folder, **options) -> IgnitionError:
    with pytest.raises(IgnitionError) as caught:
        run(script, folder, **options)
    return caught.value


def test_progress_is_heard_and_the_result_returned(tmp_path):
    heard: list[tuple[str, float]] = []
    script = """
        os.write(fd, b'{"progress": ["Checking", 0.5]}\\n{"progress": 7}\\nnoise\\n{"result": ')
        os.write(fd, json.dumps({"stage": json.loads(task)["stage"]}).encode() + b'}\\n')
    """

    assert run(script, tmp_path, heard=heard) == {"stage": "inspect"}
    assert heard == [("Checking", 0.5)]


def test_an_answer_that_lies_in_the_pipe_is_not_too_late(tmp_path):
    program, done = tmp_path / "child.py", tmp_path / "done"
    lines = b'{"progress": ["Checking", 0.5]}\n{"result": {"stage": "inspect"}}\n'
    program.write_text(
        f"import os, sys\nos.write(int(sys.argv[2]), {lines!r})\nopen({str(done)!r}, 'w').close()\n"
    )
    task = Task(
        stage=INSPECT, request=request_for(), model="m", folder=str(tmp_path), log=str(tmp_path / "log")
    )
    with Child(INSPECT, tmp_path / "log", (sys.executable, "-S", str(program))) as child:
        child.start(task)
        until = time.monotonic() + 20
        while not done.exists() and time.monotonic() < until:
            time.sleep(0.01)
        assert child.answer(task, lambda *_: None, time.monotonic() - 1) == {"stage": "inspect"}


def test_a_child_that_ended_before_its_task_came_leaves_no_pipe_open(tmp_path):
    task = Task(
        stage=INSPECT, request=request_for(), model="m", folder=str(tmp_path), log=str(tmp_path / "log")
    )
    with Child(INSPECT, tmp_path / "log", (sys.executable, "-S", "-c", "")) as child:
        pipe, until = child._process.stdin, time.monotonic() + 20
        while child.is_alive and time.monotonic() < until:
            time.sleep(0.01)
        child.start(task)
        assert pipe.closed


def test_an_error_arrives_as_the_error_it_was(tmp_path):
    script = """os.write(fd, b'{"error": {"reason": "WrongTensorRT", "message": "m", "remedy": "r"}}\\n')"""
    error = failure_of(script, tmp_path)

    assert isinstance(error, NodeError)
    assert (error.reason, error.message, error.remedy) == (Reason.WrongTensorRT, "m", "r")


@pytest.mark.parametrize("answer", ['{"error": 5}', '{"error": {"reason": "Made up", "message": "m"}}'])
def test_an_error_nobody_can_read_is_still_an_error(answer, tmp_path):
    line = f"{answer}\n".encode()

    assert failure_of(f"os.write(fd, {line!r})", tmp_path).reason is Reason.BuildFailed


def test_a_crash_is_told_by_its_signal(tmp_path):
    error = failure_of("os.kill(os.getpid(), signal.SIGSEGV)", tmp_path)

    assert error.reason is Reason.BuildFailed
    assert "SIGSEGV" in error.message


def test_a_child_that_leaves_without_a_word_is_told_by_its_status(tmp_path):
    error = failure_of("print('libnvinfer is missing', flush=True); sys.exit(7)", tmp_path)

    assert (
        error.message
        == "the build process exited with status 7 and returned no result: libnvinfer is missing"
    )


def test_a_child_that_is_too_slow_is_ended(tmp_path):
    started = time.monotonic()
    error = failure_of("time.sleep(60)", tmp_path, seconds=0.3)

    assert error.reason is Reason.DeadlineExceeded
    assert "timeout" in error.message
    assert time.monotonic() - started < 5


def test_a_child_that_ignores_the_request_to_stop_is_killed(tmp_path, monkeypatch):
    monkeypatch.setattr("ignition_builder.stage_process.GRACE_SECONDS", 0.2)
    script = """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        os.write(fd, json.dumps({"progress": [str(os.getpid()), 0]}).encode() + b"\\n")
        time.sleep(60)
    """
    heard: list[tuple[str, float]] = []
    failure_of(script, tmp_path, seconds=2.0, heard=heard)

    with pytest.raises(ProcessLookupError):
        os.kill(int(heard[0][0]), 0)


def test_an_interruption_of_the_parent_ends_the_child(tmp_path):
    script = """
        os.write(fd, json.dumps({"progress": [str(os.getpid()), 0]}).encode() + b"\\n")
        time.sleep(60)
    """
    seen: list[int] = []

    def interrupt(phase: str, _fraction: float) -> None:
        seen.append(int(phase))
        raise TransientError(Reason.Interrupted, "stop")

    program = tmp_path / "child.py"
    program.write_text(PRELUDE + textwrap.dedent(script))
    task = Task(stage=INSPECT, request=request_for(), model="m", folder=str(tmp_path), log="log")
    child = Child(INSPECT, tmp_path / "log", (sys.executable, "-S", str(program)))
    with pytest.raises(TransientError), child:
        child.run(task, interrupt, time.monotonic() + 20)

    with pytest.raises(ProcessLookupError):
        os.kill(seen[0], signal.SIG_DFL)


def test_a_child_nobody_gave_a_task_ends_by_itself(tmp_path):
    started = time.monotonic()
    with Child(INSPECT, tmp_path / "log"):
        pass

    assert time.monotonic() - started < 4
    assert (tmp_path / "log").read_text() == ""
