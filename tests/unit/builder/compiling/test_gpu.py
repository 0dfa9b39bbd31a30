"""TensorRT builds only on the GPU that the engine is for, and only when nobody shares it."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from faketensorrt import fake_tensorrt
from ignition_builder.compiling import gpu
from ignition_builder.compiling.backend import open_backend
from ignition_builder.compiling.gpu import Share, power_mode
from ignition_builder.compiling.nvidia import TensorRTBackend
from ignition_builder.journal import Journal
from ignition_builder.options import BuildOptions
from ignition_hub.device import DeviceFacts, NoGPU
from ignition_hub.engine.errors import NodeError, Reason
from ignition_hub.engine.identity import PRODUCT, EngineInputs
from smallmodels import request_for

L4 = DeviceFacts(
    name="NVIDIA L4",
    capability=(8, 9),
    memory_bytes=24 << 30,
    multiprocessors=58,
    cuda=(12, 8),
    driver="570.124.06",
    mps=False,
)
ORIN = replace(L4, name="Orin", capability=(8, 7), integrated=True, mps=None)


def inputs(arch: str = "sm_89", product: str | None = "NVIDIA-L4", **others: Any) -> EngineInputs:
    plain = request_for(arch=arch, flavor="TensorRT", version="10.13.3.9").inputs
    level = {"compatibility": PRODUCT} if product else {}
    return replace(plain, product=product, **level, **others)


def checked(found: DeviceFacts | NoGPU, wanted: EngineInputs, monkeypatch: Any) -> TensorRTBackend:
    def device() -> DeviceFacts:
        if isinstance(found, NoGPU):
            raise found
        return found

    monkeypatch.setattr(gpu, "device", device)
    backend = TensorRTBackend(fake_tensorrt("10.13.3.9"))
    backend.check(wanted, BuildOptions())
    return backend


def refusal(found: DeviceFacts | NoGPU, wanted: EngineInputs, monkeypatch: Any) -> NodeError:
    with pytest.raises(NodeError) as caught:
        checked(found, wanted, monkeypatch)
    assert caught.value.remedy
    return caught.value


def test_the_right_gpu_is_recorded(monkeypatch):
    backend = checked(L4, inputs(), monkeypatch)

    assert backend.driver == "570.124.06"
    assert backend.gpu == {
        "name": "NVIDIA L4",
        "compute_capability": "8.9",
        "memory_bytes": 24 << 30,
        "sm_count": 58,
        "mig": None,
        "power_mode": None,
    }


def test_without_a_driver_nothing_of_nvidias_is_created(monkeypatch):
    error = refusal(NoGPU("this machine has no NVIDIA driver", "install it"), inputs(), monkeypatch)

    assert (error.reason, error.exit_code) == (Reason.WrongGPU, 20)
    assert "no NVIDIA driver" in error.message
    assert error.remedy == "install it"


@pytest.mark.parametrize(
    ("wanted", "named"),
    [(inputs("sm_86", None), "not sm_86"), (inputs(product="NVIDIA-L40S"), "NVIDIA-L40S")],
)
def test_another_gpu_is_refused_by_name(wanted, named, monkeypatch):
    error = refusal(L4, wanted, monkeypatch)

    assert error.reason is Reason.WrongGPU
    assert "NVIDIA L4" in error.message
    assert named in error.message


def test_a_slice_is_a_product_of_its_own(monkeypatch):
    slice_ = replace(L4, name="NVIDIA L4 MIG 1g.6gb")

    assert refusal(slice_, inputs(), monkeypatch).reason is Reason.WrongGPU
    found = checked(slice_, inputs(product="NVIDIA-L4-MIG-1g.6gb"), monkeypatch).gpu
    assert found is not None
    assert found["mig"] == "1g.6gb"


def test_a_gpu_that_is_shared_measures_nothing(monkeypatch):
    error = refusal(replace(L4, mps=True), inputs(), monkeypatch)

    assert (error.reason, error.exit_code) == (Reason.SharedGPU, 22)


def test_another_processor_is_refused_before_the_gpu_is_looked_at(monkeypatch):
    error = refusal(NoGPU("never asked", "none"), inputs(platform="jetpack-6.2"), monkeypatch)

    assert error.reason is Reason.WrongTensorRT
    assert "jetpack-6.2" in error.message


def test_a_jetson_is_told_by_its_pool_and_its_power_mode_recorded(monkeypatch, tmp_path):
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    wanted = inputs("sm_87", "Jetson-Orin-NX-16GB", platform="jetpack-6.2")
    status = tmp_path / "status"
    status.write_text("pmode:0002 fmode:cool\n")

    assert checked(ORIN, wanted, monkeypatch).gpu is not None
    assert (power_mode(status), power_mode(tmp_path / "none")) == ("0002", None)


@pytest.mark.parametrize(
    ("held", "wanted", "is_it"),
    [
        ("10.13.3.9", "10.13.3.9", True),
        ("10.13.3.9", "10.13.3.10", False),
        ("10.0.1", "10.0.1.6", True),
        ("10.0.1", "10.0.10.6", False),
        ("8.6.1", "10.0.1.6", False),
    ],
)
def test_an_image_holds_one_release(held, wanted, is_it, monkeypatch):
    fake = fake_tensorrt("10.13.3.9")
    fake.__version__ = held
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", fake)
    asked = replace(inputs(), tensorrt_version=wanted)

    if is_it:
        assert open_backend(asked).version == held
    else:
        with pytest.raises(NodeError, match=held) as caught:
            open_backend(asked)
        assert caught.value.reason is Reason.WrongTensorRT


def test_cuda_is_what_the_image_says_of_its_toolkit(monkeypatch):
    monkeypatch.setenv("CUDA_VERSION", "13.0.1")

    assert TensorRTBackend(fake_tensorrt("10.13.3.9")).cuda_version == "13.0.1"


def test_only_a_tactic_without_memory_is_no_error():
    backend = TensorRTBackend(fake_tensorrt("10.13.3.9"))
    skipped = (
        "[virtualMemoryBuffer.cpp::resizePhysical::155] Error Code 2: OutOfMemory (no further information)"
    )

    assert backend.severity_of("ERROR", skipped) == "WARNING"
    assert backend.severity_of("ERROR", "cudaError 35: CUDA driver version is insufficient") == "ERROR"


NVML = """
#include <string.h>
struct memory { unsigned version; unsigned long long total, reserved, free, used; };
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) { *device = (void *)7; return index; }
int nvmlDeviceGetMemoryInfo_v2(void *device, struct memory *info) {
    if (device != (void *)7 || info->version != (sizeof(struct memory) | 2 << 24)) return 1;
    info->used = USED; return 0;
}
"""


def nvml(folder: Path, used: int) -> str:
    """Compile a driver's library that says so many bytes are in use."""
    source, library = folder / "nvml.c", folder / f"nvml{used}.so"
    source.write_text(NVML)
    command = ["cc", "-shared", "-fPIC", f"-DUSED={used}ULL", "-o", str(library), str(source)]
    subprocess.run(command, check=True)
    return str(library)


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler for the fake driver")
def test_a_gpu_that_others_use_is_warned_of(tmp_path):
    busy, idle = nvml(tmp_path, 3 << 30), nvml(tmp_path, 5 << 20)
    whole, slice_ = {"name": "NVIDIA L4", "mig": None}, {"name": "NVIDIA H100 MIG 1g.10gb", "mig": "1g.10gb"}

    with Journal(tmp_path / "log") as journal:
        for found, library in ((whole, idle), (slice_, busy), (whole, str(tmp_path / "none.so"))):
            Share(library).warn_if_busy(found, journal)
        assert not journal.warnings
        Share(busy).warn_if_busy(whole, journal)

    assert journal.warnings == {"SharedGPU": 1}
    assert "3,072 MiB" in journal.first_warnings["SharedGPU"]


def test_what_a_build_left_on_the_gpu_is_not_taken_for_others(tmp_path, monkeypatch):
    found, in_use = {"name": "NVIDIA L4", "mig": None}, iter([5 << 20, 2 << 30, 2 << 30, 4 << 30])
    monkeypatch.setattr("ignition_builder.compiling.gpu.memory_in_use", lambda _library: next(in_use))
    share = Share()

    with Journal(tmp_path / "log") as journal:
        share.warn_if_busy(found, journal)
        share.settle()
        share.warn_if_busy(found, journal)
        assert not journal.warnings
        share.warn_if_busy(found, journal)

    assert journal.warnings == {"SharedGPU": 1}
    assert "2,053 MiB" in journal.first_warnings["SharedGPU"]
