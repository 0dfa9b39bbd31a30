"""
Real runtimes on a real GPU: what is refused before loading, and what NVIDIA itself says when it is asked
anyway.

TensorRT-RTX needs ``tensorrt_rtx``; its engines are built here, ahead of time, for GPUs that this machine
does not have. On compute capability 9.0, which TensorRT-RTX does not know, all of its engines are for
another GPU.
"""

from pathlib import Path

import pytest

from fakeruntime import Engine, FakeBackend, machine
from ignition_hub.device import device
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.nvidia_words import cause_of
from ignition_hub.engine.support import RTX_ARCHS
from ignition_hub.runtime import EngineRefused, Trust, load_engines, this_machine
from ignition_hub.runtime.backend import open_backend

pytestmark = pytest.mark.gpu


@pytest.fixture(scope="module")
def plans(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One real TensorRT-RTX engine for each architecture that it compiles for."""
    trt = pytest.importorskip("tensorrt_rtx")
    folder = tmp_path_factory.mktemp("plans")
    built = {}
    for arch in RTX_ARCHS:
        built[arch] = folder / f"{arch}.trt"
        built[arch].write_bytes(_relu(trt, arch))
    return built


def _relu(trt, arch: str) -> bytes:
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    x = network.add_input("x", trt.float32, (4, 64))
    network.mark_output(network.add_activation(x, trt.ActivationType.RELU).get_output(0))
    config = builder.create_builder_config()
    config.num_compute_capabilities = 1
    config.set_compute_capability(trt.ComputeCapability.__members__[arch.replace("sm_", "SM")], 0)
    return bytes(builder.build_serialized_network(network, config))


def test_the_machine_is_told_as_the_table_needs_it() -> None:
    gpu = this_machine().node_gpu

    assert gpu.arch == device().arch
    assert gpu.memory_bytes == device().memory_bytes
    assert gpu.platform == "linux-x86_64"


def test_every_engine_for_another_gpu_is_refused_before_loading(plans: dict[str, Path]) -> None:
    here = device().arch
    trust = Trust(unverified="built by this test", warned="built by this test")
    for arch, path in plans.items():
        if arch == here:
            continue
        with pytest.raises(EngineRefused, match=f"the engine is for {arch}") as refused:
            load_engines([path], trust=trust)
        assert refused.value.reason is Reason.WrongGPU
        assert here in refused.value.remedy


def test_an_engine_for_this_gpu_loads_and_tells_its_inputs(plans: dict[str, Path]) -> None:
    here = device().arch
    if here not in plans:
        pytest.skip(f"TensorRT-RTX does not compile for {here}")

    (loaded,) = load_engines([plans[here]], trust=Trust(unverified="built by this test")).values()

    assert [str(tensor) for tensor in loaded.inputs.tensors] == ["x float32 [4, 64]"]


def test_what_nvidia_says_of_an_engine_for_another_gpu_is_recognised(plans: dict[str, Path]) -> None:
    arch = next(arch for arch in RTX_ARCHS if arch != device().arch)
    data = plans[arch].read_bytes()

    with memoryview(data) as plan:
        engine, messages = open_backend("TensorRTRTX").deserialize(plan, host_code=False, lean_runtime=None)

    assert engine is None
    cause = cause_of(messages)
    assert cause is not None, messages
    assert cause.reason is Reason.WrongGPU, messages


def test_what_nvidia_says_of_another_version_is_recognised(plans: dict[str, Path]) -> None:
    data = bytearray(next(iter(plans.values())).read_bytes())
    data[24:28] = bytes((1, 6, 1, 72))

    with memoryview(bytes(data)) as plan:
        engine, messages = open_backend("TensorRTRTX").deserialize(plan, host_code=False, lean_runtime=None)

    assert engine is None
    cause = cause_of(messages)
    assert cause is not None, messages
    assert cause.reason in {Reason.WrongTensorRT, Reason.PlanRejected}, messages


def test_a_driver_too_old_is_told_by_the_drivers_own_number(tmp_path: Path) -> None:
    major = device().cuda[0] + 1
    path = Engine(facts={"cuda_version": f"{major}.0"}, inputs={"gpu_arch": device().arch}).classic(tmp_path)
    backend = FakeBackend()

    with pytest.raises(EngineRefused, match=f"for CUDA {major}.0") as refused:
        load_engines([path], machine=machine(device()), backends=backend)
    assert refused.value.reason is Reason.DriverTooOld
    assert backend.given == []
