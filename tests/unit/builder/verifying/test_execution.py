"""Running a finished engine for the checks, over a fake GPU whose engines double what they are given."""

import ctypes
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from ignition_builder.journal import Journal
from ignition_builder.verifying import execution, stage
from ignition_builder.verifying.samples import Sample
from ignition_hub.engine.errors import RequestError

INPUT, OUTPUT = "INPUT", "OUTPUT"


class FakeCuda:
    """Memory of a GPU that is host memory."""

    def __init__(self) -> None:
        self.stream = ctypes.c_void_p(7)
        self.memory: dict[int, Any] = {}
        self.waited = 0

    def __enter__(self) -> "FakeCuda":
        return self

    def __exit__(self, *_: object) -> None:
        self.memory.clear()

    def allocate(self, size: int) -> int:
        address = 4096 + 64 * len(self.memory)
        self.memory[address] = np.zeros(max(size, 1), np.uint8)
        return address

    def upload(self, array: Any, address: int) -> None:
        self.memory[address] = array.copy()

    def download(self, address: int, array: Any) -> None:
        assert self.waited, "outputs are there only after the stream is done"
        array[...] = self.memory[address]

    def wait(self) -> None:
        self.waited += 1


class FakeEngine:
    """An engine with inputs and one output ``y``, which is twice ``x``; also its own context."""

    num_optimization_profiles = 2

    def __init__(self, cuda: FakeCuda, types: Mapping[str, Any], shape_tensors: tuple[str, ...] = ()) -> None:
        self.cuda, self.types, self.shape_tensors = cuda, dict(types), shape_tensors
        self.addresses: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.profile: int | None = None
        self.missing: list[str] = []
        self.runs = True

    @property
    def num_io_tensors(self) -> int:
        return len(self.types) + 1

    def create_execution_context(self) -> "FakeEngine":
        return self

    def get_tensor_name(self, index: int) -> str:
        return [*self.types, "y"][index]

    def get_tensor_mode(self, name: str) -> str:
        return OUTPUT if name == "y" else INPUT

    def get_tensor_dtype(self, name: str) -> Any:
        return self.types.get(name, np.float32)

    def is_shape_inference_io(self, name: str) -> bool:
        return name in self.shape_tensors

    def set_optimization_profile_async(self, index: int, stream: int) -> None:
        self.profile = index

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> None:
        self.shapes[name] = shape

    def set_tensor_address(self, name: str, address: int) -> None:
        self.addresses[name] = address

    def infer_shapes(self) -> list[str]:
        return self.missing

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self.shapes.get(name, self.shapes["x"])

    def execute_async_v3(self, stream: int) -> bool:
        if self.runs:
            self.cuda.memory[self.addresses["y"]] = 2 * self.cuda.memory[self.addresses["x"]]
        return self.runs


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "log") as opened:
        yield opened


def an_execution(engine: FakeEngine, journal: Journal) -> execution.Execution:
    trt = SimpleNamespace(nptype=lambda kind: kind, TensorIOMode=SimpleNamespace(INPUT=INPUT, OUTPUT=OUTPUT))
    return execution.Execution(trt, engine, engine.cuda, journal)


def test_an_engine_gets_its_inputs_profile_and_shapes_and_gives_its_outputs(journal):
    engine = FakeEngine(FakeCuda(), {"x": np.float32})
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    found = an_execution(engine, journal).outputs(Sample(1, {"x": values}))

    assert found["y"].tolist() == (2 * values).tolist()
    assert (engine.profile, engine.shapes["x"]) == (1, (2, 3))


def test_an_input_is_given_in_the_type_the_engine_has(journal):
    engine = FakeEngine(FakeCuda(), {"x": np.float32, "ids": np.int32})
    sample = Sample(0, {"x": np.ones(2, np.float32), "ids": np.array([3], np.int64)})
    an_execution(engine, journal).bind(sample)

    assert engine.cuda.memory[engine.addresses["ids"]].dtype == np.int32


def test_a_shape_tensor_stays_where_the_processor_reads_it(journal):
    engine = FakeEngine(FakeCuda(), {"x": np.float32, "size": np.int64}, ("size",))
    sizes = np.array([4, 5], np.int64)
    an_execution(engine, journal).bind(Sample(0, {"x": np.ones(2, np.float32), "size": sizes}))

    assert engine.addresses["size"] not in engine.cuda.memory
    assert (ctypes.c_int64 * 2).from_address(engine.addresses["size"])[:] == [4, 5]


def test_what_tensorrt_still_wants_is_named(journal):
    engine = FakeEngine(FakeCuda(), {"x": np.float32})
    engine.missing = ["mask"]
    with pytest.raises(RequestError, match="TensorRT needs more for mask"):
        an_execution(engine, journal).bind(Sample(0, {"x": np.ones(2, np.float32)}))


def test_an_output_whose_size_is_not_known_beforehand_cannot_be_compared(journal):
    engine = FakeEngine(FakeCuda(), {"x": np.float32})
    engine.shapes["y"] = (-1, 4)
    with pytest.raises(RequestError, match="output y: its size depends on the values"):
        an_execution(engine, journal).outputs(Sample(0, {"x": np.ones(2, np.float32)}))


def test_an_engine_that_does_not_run_ends_in_tensorrts_own_words(journal):
    engine = FakeEngine(FakeCuda(), {"x": np.float32})
    engine.runs = False
    journal.hear("ERROR", "Error Code 1: Cuda Runtime (an illegal memory access was encountered)")
    with pytest.raises(RequestError, match=r"cannot run the engine it built: .*illegal memory access"):
        an_execution(engine, journal).outputs(Sample(0, {"x": np.ones(2, np.float32)}))


@pytest.mark.parametrize(
    ("flavor", "options", "here"),
    [
        ("TensorRT", {}, True),
        ("TensorRTRTX", {}, False),
        ("TensorRT", {"runtimePlatform": "WindowsAMD64"}, False),
        ("TensorRT", {"stripPlan": True}, False),
    ],
)
def test_the_engine_itself_is_compared_only_where_it_runs(flavor, options, here):
    inputs = SimpleNamespace(flavor=flavor, options=options)
    assert stage._runs_here(SimpleNamespace(request=SimpleNamespace(inputs=inputs))) is here
