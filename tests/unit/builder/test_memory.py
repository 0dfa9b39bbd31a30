"""What the kernel's counters say, and how the death of a child is told."""

import json
import signal

import pytest

from ignition_builder.app import last_words
from ignition_builder.journal import Journal
from ignition_builder.memory import Memory, check_memory, forget_peak, peak, read_memory
from ignition_builder.stage_process import death
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import EngineInputs
from smallmodels import request_for

GIB = 1 << 30


def inputs(version: str | None = None) -> EngineInputs:
    return request_for(**({"flavor": "TensorRT", "version": version} if version else {})).inputs


def container(root, files, processes="0::/\n"):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "self").write_text(processes)
    return read_memory(root, root / "self")


def test_cgroup_v2_says_limit_kills_and_whether_all_die_together(tmp_path):
    files = {
        "memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 1\n",
        "memory.max": "1073741824\n",
        "memory.oom.group": "1\n",
    }

    assert container(tmp_path, files) == Memory(GIB, 2, kills_all=True)


def test_cgroup_v1_says_the_same_in_other_files(tmp_path):
    files = {
        "memory/pod/memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n",
        "memory/pod/memory.limit_in_bytes": "1073741824\n",
    }

    assert container(tmp_path, files, "9:cpu:/x\n4:memory:/pod\n0::/\n") == Memory(GIB, 1)


def test_no_limit_is_none(tmp_path):
    assert container(tmp_path, {"memory.events": "oom_kill 0\n", "memory.max": "max\n"}) == Memory(None, 0)
    files = {"memory.oom_control": "oom_kill 0\n", "memory.limit_in_bytes": "9223372036854771712\n"}

    assert container(tmp_path / "v1", files) == Memory(None, 0)


def test_a_machine_without_counters_is_unknown_and_no_error(tmp_path):
    assert read_memory(tmp_path / "none", tmp_path / "nothing") == Memory(None, None)


@pytest.mark.parametrize(
    ("weights", "limit", "warned"),
    [(GIB, None, 0), (GIB, 4 * GIB, 0), (GIB, 2 * GIB, 1), (0, 100 << 20, 1)],
)
def test_a_model_that_may_not_fit_is_warned_of(weights, limit, warned, tmp_path):
    with Journal(tmp_path / "log") as journal:
        check_memory(weights, Memory(limit, 0), journal, inputs())

    assert journal.warnings["HostMemoryTight"] == warned


def test_a_model_that_cannot_fit_is_refused_with_the_figure_that_would_do(tmp_path):
    with Journal(tmp_path / "log") as journal, pytest.raises(RequestError) as caught:
        check_memory(4 * GIB, Memory(5 * GIB, 0), journal, inputs())

    assert (caught.value.reason, caught.value.exit_code) == (Reason.ModelTooLarge, 16)
    assert "4,096 MiB of weights" in caught.value.message
    assert "5,120 MiB" in caught.value.message
    assert "10,030 MiB" in caught.value.remedy


@pytest.mark.parametrize(
    ("version", "needs", "has", "works"),
    [("8.6.0.12", "5,120 MiB", 5119, "5,320 MiB"), ("8.5.3.1", "2,560 MiB", 2559, "2,760 MiB")],
)
def test_a_container_too_small_for_tensorrt_itself_is_refused_before_it_starts(
    version, needs, has, works, tmp_path
):
    with Journal(tmp_path / "log") as journal, pytest.raises(RequestError) as caught:
        check_memory(0, Memory(has << 20, 0), journal, inputs(version))

    assert caught.value.exit_code == 16
    assert f"TensorRT {version} needs {needs}" in caught.value.message
    assert f"the container has {has:,} MiB" in caught.value.message
    assert works in caught.value.remedy


def test_what_a_release_needs_for_itself_comes_on_top_of_the_model(tmp_path):
    with Journal(tmp_path / "log") as journal:
        check_memory(GIB, Memory(7 * GIB, 0), journal, inputs("8.6.1.6"))
        assert journal.warnings["HostMemoryTight"] == 1
        check_memory(GIB, Memory(8 * GIB, 0), journal, inputs("8.6.1.6"))
        check_memory(GIB, Memory(7 * GIB, 0), journal, inputs("10.13.2.6"))

    assert journal.warnings["HostMemoryTight"] == 1


def test_a_kill_the_kernel_counted_is_out_of_memory_with_the_figures():
    error = death(-signal.SIGKILL, Memory(GIB, 0), Memory(GIB, 1), 900 << 20)

    assert (error.reason, error.exit_code) == (Reason.OutOfMemory, 137)
    assert "900 MiB" in error.message
    assert "1,024 MiB" in error.message


def test_a_kill_where_nothing_is_counted_is_most_likely_memory():
    assert death(-signal.SIGKILL, Memory(None, None), Memory(None, None), 1).reason is Reason.OutOfMemory


def test_a_kill_the_kernel_did_not_count_was_somebody():
    error = death(-signal.SIGKILL, Memory(GIB, 1), Memory(GIB, 1), 1)

    assert error.reason is Reason.BuildFailed
    assert "SIGKILL" in error.message


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGILL])
def test_a_crash_names_its_signal_and_is_not_tried_again(number):
    error = death(-number, Memory(None, 0), Memory(None, 0), 1)

    assert (error.reason, error.exit_code) == (Reason.BuildFailed, 18)
    assert signal.Signals(number).name in error.message


def test_an_exit_without_an_answer_says_the_status():
    assert "status 3" in death(3, Memory(None, 0), Memory(None, 0), 1).message


def test_where_all_processes_die_together_the_words_are_left_beforehand(tmp_path):
    path = tmp_path / "termination-log"
    with last_words(path, Memory(GIB, 0, kills_all=True)):
        words = json.loads(path.read_text())

    assert words["reason"] == "OutOfMemory"
    assert "1,024 MiB" in words["message"]
    assert path.read_text() == ""


def test_where_only_the_child_dies_nothing_is_said_beforehand(tmp_path):
    with last_words(tmp_path / "termination-log", Memory(GIB, 0)):
        pass

    assert not (tmp_path / "termination-log").exists()


def test_the_peak_is_what_the_kernel_counts_since_it_was_forgotten(tmp_path):
    status, clear = tmp_path / "status", tmp_path / "clear_refs"
    status.write_text("VmPeak:\t  9000 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n")
    clear.touch()
    forget_peak(clear)

    assert peak(status) == 2 << 20
    assert clear.read_text() == "5"


def test_where_the_kernel_does_not_count_anew_the_peak_is_that_of_the_process(tmp_path):
    forget_peak(tmp_path / "none" / "clear_refs")

    assert peak(tmp_path / "status") > 1 << 20
