"""What ctypes reads from the driver is what nvidia-smi says of the same GPU."""

import subprocess

import pytest

from ignition_hub.compatibility.gpus import arch_of_product
from ignition_hub.device import device, probe

pytestmark = pytest.mark.gpu


def smi(*fields: str) -> list[str]:
    query = ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
    answer = subprocess.run(query, check=True, capture_output=True, text=True, timeout=30).stdout
    return [part.strip() for part in answer.splitlines()[0].split(",")]


def test_name_capability_and_driver_are_those_of_nvidia_smi() -> None:
    name, capability, driver = smi("name", "compute_cap", "driver_version")
    found = device()

    assert (found.name, found.compute_capability, found.driver) == (name, capability, driver)
    assert arch_of_product(found.product) in (found.arch, None)


def test_memory_is_what_the_board_has_less_what_the_driver_keeps() -> None:
    (board,) = smi("memory.total")
    found = device()

    assert 0.9 < found.memory_bytes / (int(board) << 20) <= 1.0
    assert found.multiprocessors > 0


def test_the_driver_runs_a_cuda_and_shares_nothing() -> None:
    found = device()

    assert found.cuda >= (11, 0)
    assert found.mps is False
    assert found.integrated is False


def test_a_gpu_beyond_the_last_is_not_there() -> None:
    assert probe(4096) is None
