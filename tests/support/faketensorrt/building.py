"""Actors: the builder, which makes fake plans, and what is handed to it or comes out of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from bindings.releases import TENSORRT_RTX
from faketensorrt.objects import Actor
from faketensorrt.plans import plan_bytes

PHASES = (("Building engine", None, 3), ("Optimizing graph", "Building engine", 4))
PRECISION_FLAGS = ("FP16", "INT8", "BF16", "FP8", "INT4", "FP4")
CHUNK = 64
CANCELLED = "Error Code 7: BuildCanceled (Build canceled by user through the progress monitor.)"
NO_PROFILE = "Network has dynamic or shape inputs, but no optimization profile has been defined"


class IHostMemory(bytes):
    """A serialized engine or cache in memory."""

    @classmethod
    def _made(cls, content: bytes) -> Any:
        return cls(content)

    @property
    def nbytes(self) -> int:
        return len(self)

    @property
    def dtype(self) -> Any:
        return self._module.DataType.INT8  # type: ignore[attr-defined]


class Builder(Actor):
    """Checks what the real one is known to refuse, and writes a fake plan."""

    def _start(self, logger: Any) -> None:
        self._logger = logger
        self._module.logger = self._module.logger or logger  # the first wins (measured)

    def create_network(self, flags: int = 0) -> Any:
        return self._module.INetworkDefinition._made(int(flags))

    def create_builder_config(self) -> Any:
        return self._module.IBuilderConfig._made()

    def create_optimization_profile(self) -> Any:
        return self._module.IOptimizationProfile._made()

    def get_plugin_registry(self) -> Any:
        return self._module.get_plugin_registry()

    def is_network_supported(self, network: Any, config: Any) -> bool:
        return True

    def build_serialized_network(self, network: Any, config: Any) -> Any:
        plan = self._built(network, config)
        return None if plan is None else self._module.IHostMemory._made(plan)

    def build_serialized_network_to_stream(self, network: Any, config: Any, writer: Any) -> bool:
        plan = self._built(network, config)
        if plan is None:
            return False
        pieces = (plan[start : start + CHUNK] for start in range(0, len(plan), CHUNK))
        return all(writer.write(piece) == len(piece) for piece in pieces)

    def _built(self, network: Any, config: Any) -> bytes | None:
        for complaint in self._complaints(network, config):
            self._module.log("ERROR", complaint)
            return None
        if not self._told_progress(getattr(config, "progress_monitor", None)):
            self._module.log("ERROR", CANCELLED)
            return None
        content = config._described() | {"network": network._described(), "strong": network._is_strong()}
        content["calibration"] = self._calibrated(network, getattr(config, "int8_calibrator", None))
        if config._cache is not None:
            self._measure(config)
        capabilities = tuple(item.name for _, item in sorted(config._capabilities.items()))
        return plan_bytes(self._module.flavor, self._module.release, content, capabilities)

    @staticmethod
    def _measure(config: Any) -> None:
        config._cache._entries.add(f"level {getattr(config, 'builder_optimization_level', 3)}")

    def _complaints(self, network: Any, config: Any) -> Iterator[str]:
        flags = config._described()["flags"]
        if not network.num_layers:
            yield "Network must have at least one output"
        if network._is_dynamic() and not config._profiles:
            yield NO_PROFILE
        for name in PRECISION_FLAGS if network._is_strong() else ():
            if name in flags:
                yield f"BuilderFlag k{name} cannot be used with a strongly typed network"
        if "ERROR_ON_TIMING_CACHE_MISS" in flags and not (config._cache and config._cache._entries):
            yield "a tactic is not in the timing cache"
        if self._module.flavor == TENSORRT_RTX:
            yield from _rtx_complaints(flags)

    @staticmethod
    def _told_progress(monitor: Any) -> bool:
        if monitor is None:
            return True
        for name, parent, steps in PHASES:
            monitor.phase_start(name, parent, steps)
            for step in range(steps):
                if not monitor.step_complete(name, step):
                    return False
            monitor.phase_finish(name)
        return True

    @staticmethod
    def _calibrated(network: Any, calibrator: Any) -> str | None:
        if calibrator is None:
            return None
        kept = calibrator.read_calibration_cache()
        if kept:
            return f"cache of {len(kept)} bytes"
        names = [item["name"] for item in network._described()["inputs"]]
        size, batches = calibrator.get_batch_size(), 0
        while calibrator.get_batch(names):
            batches += 1
        calibrator.write_calibration_cache(f"fake calibration of {batches} batches".encode())
        return f"{batches} batches of {size}"


def _rtx_complaints(flags: list[str]) -> Iterator[str]:
    """What RTX 1.7.1 refuses on a machine without a GPU (measured)."""
    if "VERSION_COMPATIBLE" in flags:
        yield "Unable to load library: libnvinfer_lean.so.1"
    if {"STRIP_PLAN", "REFIT", "REFIT_IDENTICAL"} & set(flags):
        yield "MyelinCheckException: graph_jit.cpp:278: CHECK(status == CUDA_SUCCESS)"
