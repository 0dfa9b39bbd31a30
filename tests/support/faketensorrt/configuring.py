"""Actors: the builder's configuration, optimization profiles, the timing cache."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from faketensorrt.enums import FakeEnum
from faketensorrt.objects import Actor, Default


class IOptimizationProfile(Actor):
    """Ranges of shapes, and of the values of shape tensors."""

    def _start(self) -> None:
        self._shapes: dict[str, Any] = {}
        self._values: dict[str, Any] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        self._shapes[input] = [list(min), list(opt), list(max)]

    def get_shape(self, input: str) -> Any:
        return [tuple(shape) for shape in self._shapes.get(input, [])]

    def set_shape_input(self, input: str, min: Any, opt: Any, max: Any) -> None:
        self._values[input] = [list(min), list(opt), list(max)]

    def get_shape_input(self, input: str) -> Any:
        return self._values.get(input, [])


TIMING_CACHE_REFUSED = "The timing cache will not be used!"
MYELIN = (
    "1: [myelinCache.h::deserializeFromBuffer::52] Error Code 1: Myelin (Myelin error from unknown graph)"
)
NOT_AN_ARCHIVE = (
    "1: [stdArchiveReader.cpp::StdArchiveReaderInitCommon::36] Error Code 1: Serialization (Serialization "
    "assertion magicTagRead == kMAGIC_TAG failed.Magic tag does not match)"
)
OTHER_VERSION = "The incoming ITimingCache is built from a different TensorRT version."


class ITimingCache(Actor):
    """
    A cache whose entries are the names of what was timed, of one release.

    What 8.6.0 does (run): one that is damaged is answered with a fresh one; of every other, good ones too, it
    logs errors and uses it; ``combine`` adds what is asked and answers False.
    """

    def _start(self, blob: bytes) -> None:
        document = self._read(blob) if blob else {}
        self._version = document.get("version", self._module.__version__)
        self._entries = set(document.get("entries", ()))

    def serialize(self) -> Any:
        document = {"version": self._version, "entries": sorted(self._entries)}
        return self._module.IHostMemory._made(json.dumps(document).encode())

    def _read(self, blob: bytes) -> dict[str, Any]:
        try:
            document = json.loads(blob)
        except ValueError:
            self._module.log("ERROR", NOT_AN_ARCHIVE)
            self._module.log("ERROR", TIMING_CACHE_REFUSED)
            return {}
        if self._module.misreports_caches:
            self._module.log("ERROR", MYELIN)
            self._module.log("ERROR", TIMING_CACHE_REFUSED)
        return dict(document)

    def combine(self, input_cache: Any, ignore_mismatch: bool) -> bool:
        if not ignore_mismatch and input_cache._version != self._version:
            self._module.log("ERROR", OTHER_VERSION)
            return False
        self._entries |= input_cache._entries
        if self._module.misreports_caches:
            self._module.log("ERROR", MYELIN)
        return not self._module.misreports_caches

    def reset(self) -> bool:
        self._entries.clear()
        return True


class IBuilderConfig(Actor):
    """Flags, pools and properties; the setters take what they are told unless the module is stubborn."""

    _DEFAULTS: ClassVar = {
        "builder_optimization_level": 3,
        "max_aux_streams": -1,
        "avg_timing_iterations": 1,
        "min_timing_iterations": 1,
        "max_num_tactics": -1,
        "l2_limit_for_tiling": 0,
        "num_compute_capabilities": 1,
        "quantization_flags": 0,
        "DLA_core": -1,
        "profile_stream": 0,
        "plugins_to_serialize": [],
        "profiling_verbosity": Default("ProfilingVerbosity", "LAYER_NAMES_ONLY"),
        "hardware_compatibility_level": Default("HardwareCompatibilityLevel", "NONE"),
        "runtime_platform": Default("RuntimePlatform", "SAME_AS_BUILD"),
        "tiling_optimization_level": Default("TilingOptimizationLevel", "NONE"),
        "engine_capability": Default("EngineCapability", "STANDARD"),
        "default_device_type": Default("DeviceType", "GPU"),
    }

    def _start(self) -> None:
        self._bits = 1 << int(self._module.BuilderFlag.TF32)
        self._pools: dict[str, int] = {}
        self._profiles: list[Any] = []
        self._preview: dict[str, bool] = {}
        self._tactics = sum(1 << int(source) for source in self._module.TacticSource.__members__.values())
        self._cache: Any = None
        self._calibration_profile: Any = None
        self._capabilities: dict[int, Any] = {}

    @property
    def flags(self) -> int:
        return self._bits

    @flags.setter
    def flags(self, bits: int) -> None:
        self._bits = bits

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._profiles)

    def set_flag(self, flag: Any) -> None:
        self._check_member("BuilderFlag", flag)
        if f"BuilderFlag.{flag.name}" not in self._module.stubborn:
            self._bits |= 1 << int(flag)

    def clear_flag(self, flag: Any) -> None:
        self._check_member("BuilderFlag", flag)
        self._bits &= ~(1 << int(flag))

    def get_flag(self, flag: Any) -> bool:
        self._check_member("BuilderFlag", flag)
        return bool(self._bits >> int(flag) & 1)

    def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
        self._check_member("MemoryPoolType", pool)
        if f"MemoryPoolType.{pool.name}" not in self._module.stubborn:
            self._pools[pool.name] = pool_size

    def get_memory_pool_limit(self, pool: Any) -> int:
        self._check_member("MemoryPoolType", pool)
        return self._pools.get(pool.name, int(self._module.device_memory))

    def set_tactic_sources(self, tactic_sources: int) -> bool:
        self._tactics = int(tactic_sources)
        return True

    def get_tactic_sources(self) -> int:
        return self._tactics

    def set_preview_feature(self, feature: Any, enable: bool) -> None:
        self._check_member("PreviewFeature", feature)
        self._preview[feature.name] = enable

    def get_preview_feature(self, feature: Any) -> bool:
        self._check_member("PreviewFeature", feature)
        return self._preview.get(feature.name, False)

    def add_optimization_profile(self, profile: Any) -> int:
        self._profiles.append(profile)
        return len(self._profiles) - 1

    def set_calibration_profile(self, profile: Any) -> bool:
        self._calibration_profile = profile
        return True

    def get_calibration_profile(self) -> Any:
        return self._calibration_profile

    def create_timing_cache(self, serialized_timing_cache: bytes) -> Any:
        return self._module.ITimingCache._made(bytes(serialized_timing_cache))

    def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
        if cache._version != self._module.__version__ and not ignore_mismatch:
            self._module.log("ERROR", OTHER_VERSION)
            return False
        if self._cache is not None:
            return bool(self._cache.combine(cache, ignore_mismatch))
        self._cache = cache
        return True

    def get_timing_cache(self) -> Any:
        return self._cache

    def set_compute_capability(self, compute_capability: Any, index: int) -> bool:
        self._check_member("ComputeCapability", compute_capability)
        if index >= self.num_compute_capabilities:  # type: ignore[attr-defined]
            return False
        self._capabilities[index] = compute_capability
        return True

    def get_compute_capability(self, index: int) -> Any:
        return self._capabilities.get(index, self._module.ComputeCapability.CURRENT)

    def _check_member(self, enum: str, value: Any) -> None:
        if not isinstance(value, getattr(self._module, enum)):
            raise TypeError(f"incompatible function arguments: {enum} is wanted, not {value!r}")

    def _described(self) -> dict[str, Any]:
        """Everything that was set, by name: the content of a plan."""
        values = {key: value for key in self._DEFAULTS if (value := getattr(self, key, None)) is not None}
        flags = {
            name for name, flag in self._module.BuilderFlag.__members__.items() if self._bits >> int(flag) & 1
        }
        return {
            "flags": sorted(flags),
            "settings": {key: _plain(value) for key, value in values.items()},
            "pools": self._pools,
            "tacticSources": [
                name
                for name, source in self._module.TacticSource.__members__.items()
                if self._tactics >> int(source) & 1
            ],
            "profiles": [{"shapes": item._shapes, "values": item._values} for item in self._profiles],
        }


def _plain(value: Any) -> Any:
    return value.name if isinstance(value, FakeEnum) else value
