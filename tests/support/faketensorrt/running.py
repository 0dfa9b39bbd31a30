"""Actors: runtime, engine, plugin registry; enough to open a fake plan, never to execute it."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

from faketensorrt.objects import Actor
from faketensorrt.plans import content_of, four_numbers
from ignition_hub.engine.plan_header import PlanError, read_plan_header


class Logger(Actor):
    """NVIDIA's own logger, silent."""

    def _start(self, min_severity: Any = None) -> None:
        self._min_severity = min_severity

    def log(self, severity: Any, msg: str) -> None:
        """Say nothing: what is heard is a test's own logger."""


class Runtime(Actor):
    """Opens plans of exactly its own version, or of others with version compatibility."""

    _DEFAULTS: ClassVar = {"engine_host_code_allowed": False, "DLA_core": -1, "max_threads": 1}

    def _start(self, logger: Any) -> None:
        self._logger = logger
        self._module.logger = self._module.logger or logger

    def deserialize_cuda_engine(self, serialized_engine: Any) -> Any:
        plan = bytes(serialized_engine)
        try:
            header = read_plan_header(io.BytesIO(plan))
        except PlanError:
            return self._refuse("Magic tag does not match")
        if header.flavor != self._module.flavor:
            return self._refuse("Magic tag does not match")
        content = content_of(plan)
        wanted = ".".join(map(str, four_numbers(self._module.release)))
        compatible = "VERSION_COMPATIBLE" in content["flags"]
        if compatible and not self.engine_host_code_allowed:  # type: ignore[attr-defined]
            return self._refuse(
                "Cannot deserialize engine with lean runtime since "
                "IRuntime::getEngineHostCodeAllowed() is false."
            )
        if not header.is_of(wanted) and not compatible:
            return self._refuse(
                "The engine plan file is not compatible with this version of TensorRT, "
                f"expecting library version {wanted} got {header.version}, please rebuild."
            )
        return self._module.ICudaEngine._made(content)

    def get_plugin_registry(self) -> Any:
        return self._module.get_plugin_registry()

    def _refuse(self, message: str) -> None:
        self._module.log("ERROR", message)


class ICudaEngine(Actor):
    """What a fake plan says about its inputs, outputs and profiles."""

    def _start(self, content: Any) -> None:
        self._content = content
        network = content["network"]
        self._tensors: dict[str, Any] = {
            item["name"]: item for item in (*network["inputs"], *network["outputs"])
        }
        self._input_names = {item["name"] for item in network["inputs"]}

    @property
    def num_io_tensors(self) -> int:
        return len(self._tensors)

    @property
    def num_optimization_profiles(self) -> int:
        return max(1, len(self._content["profiles"]))

    @property
    def refittable(self) -> bool:
        return bool({"REFIT", "REFIT_IDENTICAL", "REFIT_INDIVIDUAL"} & set(self._content["flags"]))

    def get_tensor_name(self, index: int) -> str:
        return [*self._tensors][index]

    def get_tensor_mode(self, name: str) -> Any:
        mode = self._module.TensorIOMode
        return mode.INPUT if name in self._input_names else mode.OUTPUT

    def get_tensor_shape(self, name: str) -> Any:
        return tuple(self._tensors[name]["shape"])

    def get_tensor_dtype(self, name: str) -> Any:
        return getattr(self._module.DataType, self._tensors[name]["type"])

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> Any:
        profiles = self._content["profiles"]
        shape = self.get_tensor_shape(name)
        found = profiles[profile_index]["shapes"].get(name) if profiles else None
        return [tuple(item) for item in found] if found else [shape, shape, shape]


class IPluginRegistry(Actor):
    """Loads any file that is there."""

    def _start(self) -> None:
        self._libraries: list[str] = []

    @property
    def plugin_creator_list(self) -> list[Any]:
        return self._creators()

    @property
    def all_creators(self) -> list[Any]:
        return self._creators()

    def _creators(self) -> list[Any]:
        """Return one creator for each library, named as its file; a file ``empty.so`` has none."""
        stems = (Path(path).stem for path in self._libraries)
        return [SimpleNamespace(name=stem, plugin_version="1") for stem in stems if stem != "empty"]

    def load_library(self, plugin_path: str) -> Any:
        if not Path(plugin_path).exists():
            self._module.log("ERROR", f"Unable to open library: {plugin_path}")
            return None
        self._libraries.append(plugin_path)
        return plugin_path

    def deregister_library(self, handle: Any) -> None:
        self._libraries.remove(handle)
