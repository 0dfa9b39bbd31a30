"""A compile process may serve one build after another, and no build notices."""

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ignition_builder import kept, stage_main
from ignition_builder.documents import COMPILE, Task
from ignition_builder.files import Files
from ignition_builder.kept import processes_with_kept_compiler, stop_kept
from ignition_builder.pipeline import NO_FILES, Built, build, build_with, digests_of
from ignition_builder.stage_process import Child
from ignition_hub.engine.errors import IgnitionError, Reason
from keptcompiler import kept_answers
from smallmodels import dense, request_for, saved

PRELUDE = """
import json, os, signal, sys, time
fd, count = int(sys.argv[2]), 0
def say(document): os.write(fd, json.dumps(document).encode() + b"\\n")
for line in sys.stdin:
    count += 1
"""


@pytest.fixture(autouse=True)
def nothing_is_kept() -> Iterator[None]:
    yield
    stop_kept()


class Scripted:
    """Compile processes made of a script, which runs for every Task it is given."""

    def __init__(self, script: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._program = folder, folder / "child.py"
        self._program.write_text(PRELUDE + textwrap.indent(textwrap.dedent(script), "    "))
        monkeypatch.setattr(kept, "fresh_compiler", self._fresh)

    def _fresh(self, log: Path) -> Child:
        return Child(COMPILE, log, (sys.executable, "-S", str(self._program)), stays=True)

    def run(self, seconds: float = 20.0, files: Files = NO_FILES) -> dict[str, int]:
        """Let one build's compile process answer a Task."""
        log = self._folder / "log"
        task = Task(stage=COMPILE, request=request_for(), model="m", folder="f", log=str(log), files=files)
        with processes_with_kept_compiler(log) as processes:
            return processes.compiler.run(task, lambda *_: None, time.monotonic() + seconds)


@pytest.fixture
def scripted(tmp_path, monkeypatch):
    return lambda script: Scripted(script, tmp_path, monkeypatch)


def test_a_second_build_is_done_by_the_process_of_the_first(scripted):
    compilers = scripted('say({"result": {"pid": os.getpid(), "count": count}})')
    first, second = compilers.run(), compilers.run()

    assert first["pid"] == second["pid"]
    assert (first["count"], second["count"]) == (1, 2)
    assert kept_answers() == 2


def test_one_that_dies_over_its_second_build_is_replaced_and_the_build_is_done(scripted):
    compilers = scripted("""
        if count == 2:
            os.kill(os.getpid(), signal.SIGSEGV)
        say({"result": {"pid": os.getpid(), "count": count}})
    """)
    first, second = compilers.run(), compilers.run()

    assert first["pid"] != second["pid"]
    assert second["count"] == 1


def test_one_that_dies_over_its_first_build_is_the_verdict(scripted):
    compilers = scripted("os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(IgnitionError) as caught:
        compilers.run()

    assert "SIGSEGV" in caught.value.message


def test_a_refusal_is_not_asked_for_twice_and_its_process_is_not_kept(scripted):
    compilers = scripted("""
        refused = {"reason": "UnsupportedOperator", "message": f"task {count}", "remedy": ""}
        say({"error": refused} if count == 2 else {"result": {"pid": os.getpid()}})
    """)
    first = compilers.run()
    with pytest.raises(IgnitionError) as caught:
        compilers.run()
    third = compilers.run()

    assert caught.value.message == "task 2"
    assert third["pid"] != first["pid"]


def test_one_that_loaded_a_plugin_library_is_not_kept(scripted):
    compilers = scripted('say({"result": {"pid": os.getpid()}})')
    compilers.run(files=Files(plugins={"nms": Path("libnms.so")}))

    assert kept_answers() == 0


def test_one_that_was_too_slow_is_ended_and_not_asked_again(scripted):
    compilers = scripted("""
        if count == 2:
            time.sleep(60)
        say({"result": {"pid": os.getpid()}})
    """)
    first = compilers.run()
    with pytest.raises(IgnitionError) as caught:
        compilers.run(seconds=0.3)

    assert caught.value.reason is Reason.DeadlineExceeded
    with pytest.raises(ProcessLookupError):
        os.kill(first["pid"], 0)


def test_two_builds_at_once_share_nothing(scripted):
    compilers = scripted('say({"result": {"pid": os.getpid()}})')
    log = compilers._folder / "log"
    with processes_with_kept_compiler(log) as one, processes_with_kept_compiler(log) as other:
        assert one.compiler is not other.compiler
        assert one.compiler._child is not other.compiler._child


def test_a_fork_of_the_program_leaves_the_process_to_it(scripted):
    compilers = scripted('say({"result": {"pid": os.getpid(), "count": count}})')
    first = compilers.run()
    fork = os.fork()
    if not fork:
        os._exit(0 if compilers.run()["pid"] != first["pid"] else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1]) == 0
    assert compilers.run() == {"pid": first["pid"], "count": 2}


def test_a_process_waits_for_another_task_no_longer_than_it_may(monkeypatch):
    monkeypatch.setattr(stage_main, "IDLE_SECONDS", 0.05)
    reading, writing = os.pipe()
    os.write(writing, b"one\ntwo\n")

    assert list(stage_main.task_lines(reading)) == [b"one", b"two"]
    os.close(writing)
    os.close(reading)


def in_one_process(names: tuple[str, ...], folder: Path) -> list[Built]:
    """Build models of different widths one after another, with one compile process."""
    found = []
    for width, name in enumerate(names, 1):
        place = folder / name
        place.mkdir()
        path = saved(dense(width=32 * width), place)
        with processes_with_kept_compiler(place / "build.log") as processes:
            made = build_with(
                processes, request_for("fp16"), path, place, lambda *_: None, digests=digests_of(path)
            )
            found.append(made)
    return found


def test_engines_of_one_process_are_those_of_many(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    alone = tmp_path / "alone"
    alone.mkdir()
    one, two = in_one_process(("one", "two"), tmp_path)
    other = build(request_for("fp16"), saved(dense(width=64), alone), alone, lambda *_: None)

    assert two.sha256 == other.sha256 != one.sha256
    logs = [made.log.read_text() for made in (one, two)]
    assert all("error" not in log.lower() for log in logs)
    assert two.facts.warnings == other.facts.warnings
    assert two.facts.flags == other.facts.flags


def test_tensorrt_rtx_is_not_kept_for_it_starts_at_once(tmp_path):
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    path = saved(dense(), tmp_path)
    build(request_for("fp16"), path, tmp_path, lambda *_: None, may_build_again=True)

    assert kept_answers() == 0


ORPHANED = """
import os, sys, time
from ignition_builder import stage_main
stage_main.PARENT_SECONDS = 0.05
stage_main.end_with(os.getppid())
print(os.getpid(), flush=True)
time.sleep(60)
"""


def test_a_busy_child_ends_soon_after_a_parent_that_was_killed():
    program = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {ORPHANED!r}])"
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        os.kill(pid, 0)
        parent.kill()

    assert ended(pid)


def ended(pid: int) -> bool:
    """Wait some seconds for a process to end; one that nobody waits for stays as a zombie."""
    for _ in range(100):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        if state == "Z":
            return True
        time.sleep(0.1)
    return False
