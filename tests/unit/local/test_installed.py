"""Which TensorRT builds here, and for which GPU: what the truth table is told about this machine."""

from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from ignition_hub.device import DeviceFacts
from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.local import resolution
from ignition_hub.local.digests import DigestCache
from ignition_hub.local.installed import Installed, installed, machine_as_pool
from ignition_hub.local.resolution import EngineRequest, ResolvedRequest, check_buildable, resolved_request
from smallmodels import dense, saved

L4 = DeviceFacts(
    name="NVIDIA L4",
    capability=(8, 9),
    memory_bytes=24 << 30,
    multiprocessors=58,
    cuda=(12, 8),
    driver="570.124",
)
FULL, RTX = "10.13.2.6", "1.7.1.116"


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Make this machine one with these packages and this GPU; returns what a request means there."""

    def resolved(packages: Mapping[str, str], gpu: DeviceFacts | None, **request: Any) -> ResolvedRequest:
        def version(name: str) -> str:
            if name not in packages:
                raise metadata.PackageNotFoundError(name)
            return packages[name]

        monkeypatch.setattr(metadata, "version", version)
        monkeypatch.setattr(resolution, "machine_gpu", lambda: gpu)
        path = saved(dense(), tmp_path)
        return resolved_request(EngineRequest(onnx_path=path, **request), DigestCache(tmp_path / "digests"))  # type: ignore[arg-type]

    return resolved


BOTH = {"tensorrt": FULL, "tensorrt-rtx": RTX}


@pytest.mark.parametrize(
    ("packages", "gpu", "asked", "builds"),
    [
        (BOTH, L4, {}, Installed("TensorRT", FULL)),
        (BOTH, L4, {"arch": "sm_86"}, Installed("TensorRTRTX", RTX)),
        (BOTH, None, {"arch": "sm_89"}, Installed("TensorRTRTX", RTX)),
        (BOTH, L4, {"flavor": "TensorRTRTX"}, Installed("TensorRTRTX", RTX)),
        (BOTH, L4, {"tensorrt_version": "10.13"}, Installed("TensorRT", FULL)),
        ({"tensorrt-cu12": FULL}, L4, {}, Installed("TensorRT", FULL)),
        ({"tensorrt": "8.6.1.post1"}, L4, {}, Installed("TensorRT", "8.6.1")),
        ({"tensorrt-rtx-cu13": RTX}, None, {"arch": "sm_75"}, Installed("TensorRTRTX", RTX)),
        (
            {},
            None,
            {"arch": "sm_89", "flavor": "TensorRT", "tensorrt_version": FULL},
            Installed("TensorRT", FULL),
        ),
    ],
)
def test_tensorrt_comes_first_where_its_gpu_is(packages, gpu, asked, builds, machine):
    inputs = machine(packages, gpu, **asked).inputs

    assert Installed(inputs.flavor, inputs.tensorrt_version) == builds
    assert inputs.gpu_arch == asked.get("arch", "sm_89")


def test_the_machines_own_gpu_is_the_target_and_can_be_built_for(machine):
    wanted = machine({"tensorrt": FULL}, L4)
    check_buildable(wanted)

    assert wanted.inputs.gpu_arch == "sm_89"
    pool = machine_as_pool(Installed("TensorRT", FULL), L4)
    assert (pool.archs, pool.product, pool.ahead_of_time) == (("sm_89",), "NVIDIA-L4", False)


@pytest.mark.parametrize(
    ("packages", "gpu", "asked", "reason"),
    [
        ({"tensorrt": FULL}, L4, {"arch": "sm_86"}, Reason.NoPoolForArch),
        ({"tensorrt": FULL}, None, {"arch": "sm_89"}, Reason.FlavorCannotTarget),
        ({"tensorrt-rtx": RTX}, L4, {"arch": "sm_89", "flavor": "TensorRT", "tensorrt_version": FULL}, None),
        ({"tensorrt-rtx": RTX}, None, {"arch": "sm_87"}, Reason.FlavorCannotTarget),
        (
            {"tensorrt": FULL},
            L4,
            {"compatibility": "Product", "product": "NVIDIA-RTX-4000-Ada-Generation"},
            Reason.NoPoolForProduct,
        ),
    ],
)
def test_what_this_machine_cannot_build_is_refused_by_the_truth_table(packages, gpu, asked, reason, machine):
    wanted = machine(packages, gpu, **asked)

    with pytest.raises(IgnitionError) as caught:
        check_buildable(wanted)
    assert caught.value.reason is (reason or Reason.WrongTensorRT)
    assert caught.value.remedy


def test_a_check_that_cannot_run_here_is_refused_before_anything_is_built(machine):
    wanted = machine({"tensorrt-rtx": RTX}, None, arch="sm_89", verification={"benchmark": {"seconds": 5}})

    with pytest.raises(IgnitionError, match=r"verification\.benchmark was requested") as caught:
        check_buildable(wanted)
    assert caught.value.remedy.startswith("leave verification.benchmark out")


def test_without_any_tensorrt_one_line_says_what_to_install(machine):
    with pytest.raises(IgnitionError, match="TensorRT is not installed") as caught:
        machine({}, None, arch="sm_89")
    assert "pip install 'ignition-hub[builder-rtx]'" in caught.value.remedy


def test_a_flavor_that_is_not_installed_is_named_with_its_own_package(machine):
    with pytest.raises(IgnitionError, match="TensorRT is not installed") as caught:
        check_buildable(
            machine(
                {"tensorrt-rtx": RTX}, None, arch="sm_89", flavor="TensorRT", tensorrt_version="10.13.2.6"
            )
        )
    assert "pip install 'ignition-hub[builder]' tensorrt," in caught.value.remedy


def test_the_remedy_for_another_gpu_works_without_a_cluster(machine):
    with pytest.raises(IgnitionError) as caught:
        check_buildable(machine({"tensorrt-rtx": RTX}, None, arch="sm_90"))
    assert caught.value.remedy.startswith(
        "build it with TensorRT on a machine with a Hopper GPU; in a cluster"
    )


def test_the_installed_release_is_the_one_its_module_reports():
    tensorrt_rtx = pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")

    assert installed("TensorRTRTX") == Installed("TensorRTRTX", tensorrt_rtx.__version__)
