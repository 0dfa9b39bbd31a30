"""TensorRT-RTX where a GPU can run what a CPU compiled."""

from collections.abc import Callable

import pytest

from gpubuilds import Bench, loaded
from ignition_builder.journal import Journal
from ignition_builder.verifying.execution import outputs_of
from ignition_builder.verifying.reference import outputs_of as reference_outputs
from ignition_builder.verifying.samples import drawn
from ignition_hub.compatibility.load_errors import cause_of
from ignition_hub.compatibility.support_matrix import RTX_ARCHS
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import TENSORRT_RTX
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


def test_an_engine_without_code_for_this_gpu_is_refused_in_words_we_know(
    bench_of: Callable[[str], Bench],
) -> None:
    bench = bench_of(TENSORRT_RTX)
    other = next(arch for arch in RTX_ARCHS if arch != bench.gpu.arch)
    built = bench.build(dense(), "fp16", arch=other)

    is_loaded, said = loaded("tensorrt_rtx", built.path)
    assert not is_loaded
    cause = cause_of(said)
    assert cause is not None, said
    assert cause.reason is Reason.WrongGPU
