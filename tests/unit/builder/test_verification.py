"""When the process of the checks is started, and that there is none without checks."""

import pytest

from ignition_builder import verification
from ignition_builder.documents import COMPILE, CONVERTED, STRONG, VERIFY, Prepared, Task, Verified
from ignition_builder.memory import Memory, needed_for
from ignition_builder.verification import LOADED, checks_of, loads_beside
from smallmodels import request_for

CHECK = {"accuracy": {"against": "onnxruntime", "rtol": 0.005, "atol": 0.005}}
PASSED = Verified(checked="model", accuracy=None, benchmark=None, warnings=(), peak_memory_bytes=0)


def task_of(folder, **asked):
    prepared = Prepared(
        path="never read",
        facts={},
        converter={"path": CONVERTED},
        typing=STRONG,
        profiles=(),
        warnings=(),
        peak_memory_bytes=0,
        weights_bytes=0,
    )
    request, log = request_for(**asked), str(folder / "log")
    return Task(
        stage=COMPILE, request=request, model="never read", folder=str(folder), log=log, prepared=prepared
    )


@pytest.fixture
def heard(monkeypatch):
    """Return what is done to the processes that are started in the checks' place."""
    noted = []

    class Standing:
        def __init__(self, stage, _log):
            noted.append(f"start {stage}")

        def __enter__(self):
            return self

        def __exit__(self, *_):
            noted.append("end")

        def run(self, task, _watch, _deadline):
            noted.append(f"run {task.stage}")
            return PASSED.to_json()

    monkeypatch.setattr(verification, "Child", Standing)
    return noted


def watched(*_):
    """Take progress."""


def test_without_checks_there_is_no_process(tmp_path, heard):
    task = task_of(tmp_path)
    with checks_of(task) as verified:
        assert verified(task, watched, 0.0) is None
    assert heard == []


def test_the_process_loads_while_the_engine_is_compiled_and_ends_afterwards(tmp_path, heard):
    task = task_of(tmp_path, verification=CHECK)
    with checks_of(task) as verified:
        assert heard == [f"start {VERIFY}"]
        assert verified(task, watched, 0.0) == PASSED
    assert heard == [f"start {VERIFY}", f"run {COMPILE}", "end"]


def test_the_process_ends_when_the_engine_could_not_be_compiled(tmp_path, heard):
    with pytest.raises(RuntimeError), checks_of(task_of(tmp_path, verification=CHECK)):
        raise RuntimeError
    assert heard == [f"start {VERIFY}", "end"]


def test_where_kernels_are_measured_the_process_comes_after(tmp_path, heard):
    task = task_of(tmp_path, verification=CHECK, flavor="TensorRT", version="10.14.1.48")
    with checks_of(task) as verified:
        assert heard == []
        assert verified(task, watched, 0.0) == PASSED
    assert heard == [f"start {VERIFY}", f"run {COMPILE}", "end"]


def test_the_process_does_not_take_memory_that_the_compiler_needs(tmp_path):
    task = task_of(tmp_path, verification=CHECK)
    enough = needed_for(0, task.request.inputs) + LOADED
    assert loads_beside(task, Memory(enough, 0))
    assert not loads_beside(task, Memory(enough - 1, 0))
    assert loads_beside(task, Memory(None, 0))
    assert not loads_beside(task_of(tmp_path, verification=CHECK, low_memory=True), Memory(None, 0))
