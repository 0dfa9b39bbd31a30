"""TensorRT-RTX where a GPU can run what a CPU compiled."""

import pytest

from gpubuilds import Bench
from ignition_builder.bridge import logger_of
from ignition_builder.execution import outputs_of
from ignition_builder.journal import Journal
from ignition_builder.reference import outputs_of as reference_outputs
from ignition_builder.samples import drawn
from ignition_hub.engine.identity import TENSORRT_RTX
from ignition_hub.engine.nvidia_words import cause_of
from ignition_hub.engine.support import RTX_ARCHS
from smallmodels import dense

pytestmark = [pytest.mark.gpu, pytest.mark.timeout(300)]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_an_engine_compiled_ahead_of_time_is_equal_to_the_model(rtx: Bench, precision: str) -> None:
    built = rtx.build(dense(), precision)
    samples = drawn(built.facts.model["inputs"], ())
    with Journal(rtx.folder / "run.log") as journal:
        found = outputs_of(rtx.trt, built.path, samples, journal)
    wanted = reference_outputs(built.path.parent / "model.onnx", samples, "the model")

    for one, other in zip(found, wanted, strict=True):
        assert abs(one["y"] - other["y"]).max() < 5e-3


def test_an_engine_without_code_for_this_gpu_is_refused_in_words_we_know(bench_of) -> None:
    bench = bench_of(TENSORRT_RTX)
    other = next(arch for arch in RTX_ARCHS if arch != bench.gpu.arch)
    plan = bench.build(dense(), "fp16", arch=other).path.read_bytes()

    with Journal(bench.folder / "load.log") as journal:
        engine = bench.trt.Runtime(logger_of(bench.trt, journal)).deserialize_cuda_engine(plan)
        assert engine is None
        cause = cause_of(journal.errors)
    assert cause is not None, journal.errors
    assert cause.reason == "WrongGPU"
