"""The GPU and the TensorRT of this machine; what is missing skips a test, and says what to install."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gpubuilds import Bench
from ignition_builder.compiling.backend import load_backend
from ignition_hub.compatibility.support_matrix import RTX_ARCHS
from ignition_hub.device import DeviceFacts, NoGPU, device
from ignition_hub.engine.identity import TENSORRT, TENSORRT_RTX

GpuBench = Callable[[str], Bench]


@pytest.fixture(scope="session")
def gpu() -> DeviceFacts:
    """The first GPU."""
    try:
        return device()
    except NoGPU as error:
        pytest.skip(f"needs an NVIDIA GPU: {error.message}")


@pytest.fixture
def bench_of(gpu: DeviceFacts, tmp_path: Path) -> GpuBench:
    """Return what gives the bench of a flavor, or skips."""

    def bench(flavor: str) -> Bench:
        try:
            version = load_backend(flavor).version
        except ImportError as error:
            pytest.skip(f"needs {flavor}'s Python module: {error}")
        return Bench(flavor, version, gpu, tmp_path)

    return bench


@pytest.fixture
def full(bench_of: GpuBench) -> Bench:
    """TensorRT itself."""
    return bench_of(TENSORRT)


@pytest.fixture
def rtx(bench_of: GpuBench) -> Bench:
    """TensorRT-RTX, on a GPU that it compiles for."""
    bench = bench_of(TENSORRT_RTX)
    if bench.gpu.arch not in RTX_ARCHS:
        pytest.skip(f"TensorRT-RTX compiles for {', '.join(RTX_ARCHS)}; this is {bench.gpu.arch}")
    return bench


@pytest.fixture(autouse=True)
def needs_a_driver() -> None:
    """Skip all of this folder where no driver is installed."""
    if shutil.which("nvidia-smi") is None:
        pytest.skip("needs an NVIDIA GPU and its driver: nvidia-smi is not there")
