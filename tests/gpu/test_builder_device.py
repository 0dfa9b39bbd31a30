"""The builder's checks of the GPU, on a real one: others are refused, and their work is noticed."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from ignition_builder.compiling.gpu import Share, check_gpu, gpu_facts, memory_in_use, present_gpu
from ignition_builder.journal import Journal
from ignition_hub.device import DeviceFacts
from ignition_hub.engine.errors import NodeError, Reason
from ignition_hub.engine.identity import PRODUCT
from smallmodels import request_for

pytestmark = pytest.mark.gpu


@contextmanager
def work(size: int) -> Iterator[None]:
    """Hold so many bytes of the GPU, as another tenant would."""
    cuda, address = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p()
    context = ctypes.c_void_p()
    assert cuda.cuInit(0) == 0
    assert cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0
    assert cuda.cuCtxSetCurrent(context) == 0
    assert cuda.cuMemAlloc_v2(ctypes.byref(address), ctypes.c_size_t(size)) == 0
    yield
    cuda.cuMemFree_v2(address)
    cuda.cuDevicePrimaryCtxRelease_v2(0)


def test_the_gpu_of_this_machine_passes_and_is_recorded(gpu: DeviceFacts) -> None:
    inputs = request_for(arch=gpu.arch, flavor="TensorRT", version="10.13.3.9").inputs
    inputs = replace(inputs, compatibility=PRODUCT, product=gpu.product)

    check_gpu(inputs, present_gpu(inputs))
    facts = gpu_facts(gpu)
    assert (facts["compute_capability"], facts["name"]) == (gpu.compute_capability, gpu.name)
    assert facts["sm_count"] > 0


@pytest.mark.parametrize(("arch", "product"), [("sm_75", None), (None, "NVIDIA-Nothing")])
def test_another_gpu_is_refused(arch, product, gpu: DeviceFacts) -> None:
    inputs = request_for(arch=arch or gpu.arch, flavor="TensorRT", version="10.13.3.9").inputs
    level = {"compatibility": PRODUCT, "product": product} if product else {}

    with pytest.raises(NodeError) as caught:
        check_gpu(replace(inputs, **level), gpu)
    assert caught.value.reason is Reason.WrongGPU
    assert gpu.name in caught.value.message


def test_work_on_the_gpu_is_noticed(tmp_path, gpu: DeviceFacts) -> None:
    before = memory_in_use()
    with Journal(tmp_path / "log") as journal, work(1 << 30):
        during = memory_in_use()
        assert before is not None
        assert during is not None
        assert during - before >= 1 << 30
        Share().warn_if_busy(gpu_facts(gpu), journal)

    assert journal.warnings["SharedGPU"] == (0 if gpu.mig else 1)
