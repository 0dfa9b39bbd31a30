"""What the driver says about this machine's GPU; the driver is a fake one, the ctypes calls are real."""

import pytest

from fakedriver import COMPILER, FakeDriver
from ignition_hub.device import DeviceFacts, NoGPU, device, probe
from ignition_hub.engine.errors import Reason

needs_compiler = pytest.mark.skipif(COMPILER is None, reason="the fake driver is compiled with cc")


def facts(**changes):
    known = {
        "name": "NVIDIA H200",
        "capability": (9, 0),
        "memory_bytes": 150_000_000_000,
        "multiprocessors": 132,
        "cuda": (12, 8),
        "driver": "570.124.06",
        "mps": False,
    }
    return DeviceFacts(**{**known, **changes})


@needs_compiler
def test_a_gpu_is_told_with_everything_the_driver_knows(tmp_path):
    library = FakeDriver().compiled(tmp_path)

    assert device(libcuda=library, libnvml=library) == facts()


@needs_compiler
def test_a_driver_without_nvml_or_mps_leaves_these_open(tmp_path):
    library = FakeDriver(mps=-1).compiled(tmp_path)

    assert probe(libcuda=library, libnvml="libno-nvml-here.so.1") == facts(driver=None, mps=None)


@needs_compiler
def test_the_newest_cuda_is_read_out_of_the_drivers_number(tmp_path):
    library = FakeDriver(cuda=13010).compiled(tmp_path)

    assert device(libcuda=library, libnvml=library).cuda == (13, 1)


def test_without_a_driver_nothing_is_probed_and_the_error_says_so():
    assert probe(libcuda="libno-driver-here.so.1") is None

    with pytest.raises(NoGPU, match=r"no NVIDIA driver \(libno-driver-here") as refused:
        device(libcuda="libno-driver-here.so.1")
    assert refused.value.reason is Reason.NoGPU
    assert "container runtime" in refused.value.remedy


@needs_compiler
@pytest.mark.parametrize(
    ("code", "named", "remedy"),
    [
        (100, r"CUDA_ERROR_NO_DEVICE \(100\)", "nvidia.com/gpu"),
        (34, r"CUDA_ERROR_STUB_LIBRARY \(34\)", "stub"),
        (999, "error 999", "dmesg"),
    ],
)
def test_a_driver_that_does_not_start_is_quoted(code, named, remedy, tmp_path):
    library = FakeDriver(init=code).compiled(tmp_path)

    assert probe(libcuda=library, libnvml=library) is None
    with pytest.raises(NoGPU, match=f"cuInit of the NVIDIA driver failed with {named}") as refused:
        device(libcuda=library, libnvml=library)
    assert remedy in refused.value.remedy


@needs_compiler
@pytest.mark.parametrize("ordinal", [-1, 1, 8])
def test_an_ordinal_that_is_not_there_is_refused_with_the_count(ordinal, tmp_path):
    library = FakeDriver().compiled(tmp_path)

    with pytest.raises(NoGPU, match=f"GPU {ordinal} was requested, but CUDA shows 1"):
        device(ordinal, libcuda=library, libnvml=library)


def test_a_whole_gpu_is_spelt_as_targets_spell_it():
    whole = facts()

    assert (whole.arch, whole.compute_capability, whole.product, whole.mig) == (
        "sm_90",
        "9.0",
        "NVIDIA-H200",
        None,
    )


def test_a_mig_slice_is_a_product_of_its_own():
    cut = facts(name="NVIDIA A100-SXM4-40GB MIG 1g.5gb", capability=(8, 0))

    assert (cut.arch, cut.product, cut.mig) == ("sm_80", "NVIDIA-A100-SXM4-40GB-MIG-1g.5gb", "1g.5gb")
