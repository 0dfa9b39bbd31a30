"""A version compatible engine embeds the lean runtime that is installed, and is refused where none is."""

from pathlib import Path
from typing import Any

import pytest

from faketensorrt import fake_tensorrt
from ignition_builder.compiling import gpu
from ignition_builder.compiling.lean import lean_runtime
from ignition_builder.compiling.nvidia import TensorRTBackend
from ignition_builder.options import options_of
from ignition_hub.device import DeviceFacts
from ignition_hub.engine.errors import IgnitionError, Reason
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
RELEASE = "8.6.0"
EMBEDDED = {"versionCompatible": {"enabled": True}}
EXCLUDED = {"versionCompatible": {"enabled": True, "excludeLeanRuntime": True}}


def module_in(folder: Path, *libraries: str) -> Any:
    fake = fake_tensorrt("8.6.1")
    fake.__version__ = RELEASE
    fake.__file__ = str(folder / "tensorrt.so")
    for name in libraries:
        (folder / name).write_bytes(b"")
    return fake


def check(folder: Path, options: dict[str, Any], *libraries: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "device", lambda: L4)
    inputs = request_for(arch="sm_89", flavor="TensorRT", version=RELEASE).inputs
    TensorRTBackend(module_in(folder, *libraries)).check(inputs, options_of(options))


def test_without_a_lean_runtime_the_engine_is_refused_before_it_is_built(tmp_path, monkeypatch):
    with pytest.raises(IgnitionError) as caught:
        check(tmp_path, EMBEDDED, monkeypatch=monkeypatch)

    assert caught.value.reason is Reason.UnsupportedOption
    assert "libnvinfer_lean.so.8.6.0" in caught.value.message
    assert caught.value.remedy.startswith("set options.versionCompatible.excludeLeanRuntime: true")


def test_what_the_remedy_names_is_not_refused(tmp_path, monkeypatch):
    check(tmp_path, EXCLUDED, monkeypatch=monkeypatch)
    check(tmp_path, {}, monkeypatch=monkeypatch)


@pytest.mark.parametrize("name", ["libnvinfer_lean.so.8.6.0", "libnvinfer_lean.so.8"])
def test_a_lean_runtime_beside_the_module_is_found(name, tmp_path, monkeypatch):
    check(tmp_path, EMBEDDED, name, monkeypatch=monkeypatch)

    assert lean_runtime(module_in(tmp_path)) == tmp_path / name


def test_the_lean_runtime_of_another_release_is_none(tmp_path):
    assert lean_runtime(module_in(tmp_path, "libnvinfer_lean.so.8.6.1", "libnvinfer_lean.so.10")) is None


def test_what_the_loader_finds_counts_too(tmp_path, monkeypatch):
    asked: list[str] = []
    monkeypatch.setattr("ctypes.CDLL", asked.append)

    assert lean_runtime(module_in(tmp_path)) == Path("libnvinfer_lean.so.8.6.0")
    assert asked == ["libnvinfer_lean.so.8.6.0"]
