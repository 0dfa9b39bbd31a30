"""What is remembered of a cluster, and when a remembered process is a stranger."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from localcluster import state
from localcluster.errors import LocalClusterError
from localcluster.processes import Process, boot_id, remember, start_time, started_in_stat, stop
from localcluster.state import ClusterState

STAT = "4711 (a) b (c) S 1 4711 4711 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 2"


def myself() -> Process:
    return remember("myself", os.getpid())


def make_state(**changes: object) -> ClusterState:
    return replace(ClusterState(name="ignition", recipe="0123", index=0, nodes=("gpu-l4",)), **changes)  # type: ignore[arg-type]


def test_the_start_time_is_found_behind_a_name_with_parentheses() -> None:
    assert started_in_stat(STAT) == 98765


def test_a_zombie_has_no_start_time() -> None:
    assert started_in_stat(STAT.replace(") S ", ") Z ")) is None


def test_this_process_is_alive() -> None:
    assert myself().is_alive


def test_the_same_id_with_another_start_time_is_a_stranger() -> None:
    assert not replace(myself(), started=myself().started + 1).is_alive


def test_the_same_id_and_start_time_of_an_earlier_boot_is_a_stranger() -> None:
    assert not replace(myself(), boot="another").is_alive


def test_a_stranger_is_not_signalled() -> None:
    replace(myself(), started=myself().started + 1).send(signal.SIGKILL)

    assert myself().is_alive


def test_a_process_that_is_gone_cannot_be_remembered() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    with pytest.raises(LocalClusterError, match="kubelet ended as soon as it was started"):
        remember("kubelet", gone.pid)


def test_a_process_that_ignores_the_polite_signal_is_killed() -> None:
    script = "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()

        stop([remember("stubborn", child.pid)], grace_seconds=0.05)

        assert child.wait(1) == -signal.SIGKILL


def test_a_boot_has_an_id() -> None:
    assert len(boot_id()) == 36


def test_no_process_has_the_largest_id_there_is() -> None:
    assert start_time(2**22) is None


def test_a_state_survives_the_file(tmp_path: Path) -> None:
    written = make_state(processes=(myself(),), complete=True, kernel_settings=(("kernel/panic", "1"),))

    state.save(tmp_path / "ignition", written)

    assert state.load(tmp_path / "ignition") == written


def test_no_file_is_no_state(tmp_path: Path) -> None:
    assert state.load(tmp_path) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 1'])
def test_a_broken_state_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "state.json").write_text(text)

    with pytest.raises(LocalClusterError, match=r"state\.json cannot be understood"):
        state.load(tmp_path)


def test_a_complete_cluster_with_all_processes_runs() -> None:
    assert make_state(processes=(myself(),), complete=True).is_running


def test_a_cluster_whose_start_was_killed_does_not_run() -> None:
    assert not make_state(processes=(myself(),)).is_running


def test_a_cluster_with_a_dead_process_does_not_run_and_names_it() -> None:
    dead = replace(myself(), name="gpu-l4-kubelet", boot="another")
    seen = make_state(processes=(myself(), dead), complete=True)

    assert (seen.is_running, seen.dead) == (False, ("gpu-l4-kubelet",))


def test_asking_for_an_unknown_process_lists_those_there_are() -> None:
    with pytest.raises(LocalClusterError, match="has no process etcd; it has: myself"):
        make_state(processes=(myself(),)).process("etcd")
