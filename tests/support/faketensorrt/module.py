"""Put a fake module together from the inventory of one release."""

from __future__ import annotations

import types
from functools import cache
from pathlib import Path
from typing import Any

from bindings.inventory import Inventory
from bindings.releases import RELEASES, TENSORRT, TENSORRT_RTX, Release
from faketensorrt import building, configuring, networks, running
from faketensorrt.enums import enum_named
from faketensorrt.objects import FakeObject, cut
from faketensorrt.recording import Call

_ACTORS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        building.Builder,
        building.IHostMemory,
        configuring.IBuilderConfig,
        configuring.IOptimizationProfile,
        configuring.ITimingCache,
        networks.INetworkDefinition,
        networks.ITensor,
        networks.OnnxParser,
        networks.ParserError,
        running.ICudaEngine,
        running.IPluginRegistry,
        running.Logger,
        running.Runtime,
    )
}
_TYPE_NAMES = {
    "float32": "FLOAT", "float16": "HALF", "bfloat16": "BF16", "int8": "INT8", "int32": "INT32",
    "int64": "INT64", "uint8": "UINT8", "bool": "BOOL", "int4": "INT4", "fp8": "FP8", "fp4": "FP4",
    "e8m0": "E8M0",
}  # fmt: skip
_INSTALLED = Path(__file__).with_name("installed")
"""The folder of the libraries that lie beside a fake module."""
_IGNORED_BY_RTX = frozenset(
    {"IBuilderConfig.runtime_platform", "IBuilderConfig.hardware_compatibility_level"}
)


class FakeModule(types.ModuleType):
    """
    The module itself; these attributes are the fake's own and steer or record what happens.

    ``stubborn`` names properties, flags and pools that do not take what they are told, as
    ``IBuilderConfig.runtime_platform``, ``BuilderFlag.TF32`` or ``MemoryPoolType.WORKSPACE``;
    ``shape_tensors`` are inputs whose values are shapes; ``refused_operators`` fail to parse;
    ``misreports_caches`` makes it speak of good timing caches as 8.5.3.1 and 8.6.0 do. A lean runtime lies
    beside it, unless ``__file__`` is set to another folder.
    """

    def __init__(self, inventory: Inventory) -> None:
        release = inventory.release
        super().__init__("tensorrt_rtx" if release.flavor == TENSORRT_RTX else "tensorrt")
        self.__file__ = str(_INSTALLED / "tensorrt.so")
        self.__version__: str = inventory.document["version"]
        self.flavor, self.release = release.flavor, release.version
        self.calls: list[Call] = []
        self.logger: Any = None
        self.device_memory = 16 << 30
        self.stubborn: set[str] = set(_IGNORED_BY_RTX if self.is_rtx else ())
        self.shape_tensors: set[str] = set()
        self.refused_operators: set[str] = {"EfficientNMS_TRT"} if self.is_rtx else set()
        self.misreports_caches = release.numbers[0] == 8
        self.used_plugin_libraries: list[str] = []
        self.is_always_strong = self.is_rtx or not inventory.has("BuilderFlag.FP16")
        self.needs_explicit_batch = release.numbers[0] == 8
        self.instance_norm_is_native = release.numbers[0] != 8

    @property
    def is_rtx(self) -> bool:
        """Whether it stands for TensorRT-RTX."""
        return self.flavor == TENSORRT_RTX

    def log(self, severity: str, message: str) -> None:
        """Say something through the logger that the first builder or runtime was given."""
        if self.logger is not None:
            self.logger.log(getattr(self.ILogger, severity), message)

    def complain(self, name: str, value: Any) -> None:
        """Say what a stubborn property says: RTX logs an error or a warning, and goes on (measured)."""
        severity = "WARNING" if name.endswith("hardware_compatibility_level") else "ERROR"
        self.log(severity, f"{name}: {value!r} is not supported")


def fake_tensorrt(version: str, flavor: str | None = None) -> FakeModule:
    """
    Return a fresh fake of a kept release, named in full as in ``bindings.releases``.

    Raises:
        BindingsError: no inventory of it is kept.
    """
    default = TENSORRT_RTX if version.startswith("1.") else TENSORRT
    inventory = _inventory(_kept(flavor or default, version))
    module = FakeModule(inventory)
    for name, numbers in inventory.document["enums"].items():
        if "." not in name:
            setattr(module, name, enum_named(name, numbers))
    for name in inventory.document["module"]:
        if not hasattr(module, name):
            setattr(module, name, _made(name, inventory, module))
    _add_severities(module, inventory)
    return module


@cache
def _inventory(release: Release) -> Inventory:
    return Inventory.read(release)


def _kept(flavor: str, version: str) -> Release:
    numbers = tuple(int(part) for part in version.split(".") if part.isdecimal())
    return next((item for item in RELEASES if item == Release(flavor, numbers)), Release(flavor, numbers))


def _made(name: str, inventory: Inventory, module: Any) -> Any:
    if name in _TYPE_NAMES:
        return getattr(module.DataType, _TYPE_NAMES[name])
    if name == "get_plugin_registry":
        return cache(module.IPluginRegistry._made)
    if name == "init_libnvinfer_plugins":
        return lambda logger, namespace: module.calls.append(Call(name, (namespace,))) is None
    if name in inventory.document["classes"]:
        return cut(name, _ACTORS.get(name), inventory, module)
    return type(name, (FakeObject,), {"_module": module, "_constructible": False})


def _add_severities(module: Any, inventory: Inventory) -> None:
    for holder in ("ILogger", "Logger"):
        kind = getattr(module, holder, None)
        if kind is not None:
            kind.Severity = enum_named("Severity", inventory.enum(f"{holder}.Severity"))
            for name, member in kind.Severity.__members__.items():
                setattr(kind, name, member)
