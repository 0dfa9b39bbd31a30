"""Kernels that TensorRT-RTX compiled are kept for the next process; engine and cache are fakes."""

import logging
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ignition_hub.runtime.inputs import InputChecker
from ignition_hub.runtime.kernels import KernelCache
from ignition_hub.runtime.loading import LoadedEngine


@dataclass
class FakeCache:
    """An ``IRuntimeCache`` that takes what begins with its machine's name."""

    machine: bytes
    kernels: bytes = b""

    def deserialize(self, blob: bytes) -> bool:
        if not blob.startswith(self.machine):
            return False
        self.kernels = blob
        return True

    def serialize(self) -> bytes:
        return self.machine + b" kernels"


@dataclass
class FakeConfig:
    """An ``IRuntimeConfig``."""

    machine: bytes
    cache: FakeCache | None = None

    def create_runtime_cache(self) -> FakeCache:
        return FakeCache(self.machine)

    def set_runtime_cache(self, cache: FakeCache) -> bool:
        self.cache = cache
        return True


@dataclass
class FakeRtxEngine:
    """An ``ICudaEngine`` of TensorRT-RTX; its contexts are their configurations."""

    machine: bytes = b"L4"
    made: list[FakeConfig] = field(default_factory=list)

    def create_runtime_config(self) -> FakeConfig:
        return FakeConfig(self.machine)

    def create_execution_context(self, config: FakeConfig) -> FakeConfig:
        self.made.append(config)
        return config


def loaded(engine: Any, alias: str = "a") -> LoadedEngine:
    return LoadedEngine(alias, Path("a.trt"), engine, InputChecker((), ()), None)


def test_kernels_outlive_the_process(tmp_path):
    path = tmp_path / "pool" / "rtx.kernels"
    first = KernelCache(path)
    assert first.context(loaded(FakeRtxEngine())).cache.kernels == b""
    first.save()

    assert KernelCache(path).context(loaded(FakeRtxEngine())).cache.kernels == b"L4 kernels"
    assert [entry.name for entry in path.parent.iterdir()] == ["rtx.kernels"]


def test_kernels_that_another_process_reads_now_are_replaced_and_not_overwritten(tmp_path):
    path, opened = tmp_path / "rtx.kernels", tmp_path / "opened"
    path.write_bytes(b"L4 kernels of before")
    opened.hardlink_to(path)
    cache = KernelCache(path)
    cache.context(loaded(FakeRtxEngine()))
    cache.save()

    assert path.read_bytes() == b"L4 kernels"
    assert opened.read_bytes() == b"L4 kernels of before"


def test_engines_of_one_process_share_one_cache(tmp_path):
    kernels, engine = KernelCache(tmp_path / "rtx.kernels"), FakeRtxEngine()

    kernels.context(loaded(engine, "a"))
    kernels.context(loaded(engine, "b"))

    assert engine.made[0].cache is engine.made[1].cache


def test_kernels_of_another_machine_are_compiled_anew_and_said_so(tmp_path, caplog):
    path = tmp_path / "rtx.kernels"
    path.write_bytes(b"H100 kernels")

    with caplog.at_level(logging.WARNING):
        context = KernelCache(path).context(loaded(FakeRtxEngine()))

    assert context.cache.kernels == b""
    assert "another GPU, driver or release" in caplog.text


def test_a_file_that_cannot_be_read_costs_time_and_nothing_else(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        KernelCache(tmp_path).context(loaded(FakeRtxEngine()))

    assert "cannot be read (Is a directory)" in caplog.text


def test_a_cache_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "rtx.kernels"
    path.write_bytes(b"L4 old")
    kernels = KernelCache(path)
    kernels.context(loaded(FakeRtxEngine()))
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))

    with pytest.raises(OSError, match="No space left"):
        kernels.save()

    assert path.read_bytes() == b"L4 old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["rtx.kernels"]


@dataclass
class FakeTensorRtEngine:
    """An ``ICudaEngine`` of TensorRT 11: it has runtime configurations, and no cache in them."""

    configurable: bool

    def __post_init__(self) -> None:
        if self.configurable:
            self.create_runtime_config = object

    def create_execution_context(self) -> str:
        return "plain"


@pytest.mark.parametrize("configurable", [True, False])
def test_engines_of_tensorrt_get_a_plain_context(configurable, tmp_path):
    kernels = KernelCache(tmp_path / "rtx.kernels")

    assert kernels.context(loaded(FakeTensorRtEngine(configurable))) == "plain"
    kernels.save()
    assert list(tmp_path.iterdir()) == []
