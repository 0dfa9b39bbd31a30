"""
Compile one ONNX file into one serialized engine, through whichever backend is given.

Runs in a child process: TensorRT's logger is global to a process, and a crash of its parser or compiler must
not take the builder's last words with it.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from ignition_builder.backend import Backend
from ignition_builder.bridge import Sink, logger_of, monitor_of, writer_of
from ignition_builder.journal import Journal
from ignition_builder.messages import verdict_of
from ignition_builder.options import Options
from ignition_builder.report import Report
from ignition_builder.settled import flags_in_force, settle, settle_flag, settle_workspace
from ignition_hub.engine.errors import Reason, RequestError, TransientError
from ignition_hub.engine.identity import EngineInputs, Profile

TF32_ARCH = 80
"""TF32 exists from compute capability 8.0."""


class Compiler:
    """One build: the network that was parsed and what the configuration became."""

    def __init__(
        self,
        backend: Backend,
        inputs: EngineInputs,
        options: Options,
        journal: Journal,
        profiles: Sequence[Profile],
    ) -> None:
        self._backend, self._trt, self._inputs, self._options = backend, backend.trt, inputs, options
        self._wanted_profiles = profiles
        self._journal = journal
        self._builder = self._trt.Builder(logger_of(self._trt, journal))
        self._network = self._builder.create_network(backend.network_flags())
        # Freed last: the network refers to weights the parser holds.
        self._parser = self._trt.OnnxParser(self._network, logger_of(self._trt, journal))
        self.parser_messages: list[dict[str, Any]] = []
        self.flags: tuple[str, ...] = ()
        self.profiles: list[dict[str, Any]] = []
        self._settings: dict[str, Any] = {}

    @property
    def tf32_in_force(self) -> bool:
        """Whether TF32 may really be used: the flag is set and the architecture has it."""
        return "TF32" in self.flags and int(self._inputs.gpu_arch.removeprefix("sm_")) >= TF32_ARCH

    @property
    def settings(self) -> dict[str, Any]:
        """The properties in force, read back from TensorRT."""
        return dict(self._settings)

    @property
    def engine_io(self) -> dict[str, Any]:
        """Inputs and outputs as the network has them: names, types, shapes; -1 is a free dimension."""
        network = self._network
        return {
            "inputs": [_tensor(network.get_input(index)) for index in range(network.num_inputs)],
            "outputs": [_tensor(network.get_output(index)) for index in range(network.num_outputs)],
        }

    def parse(self, model: Path) -> None:
        """Parse ``model`` from its file; raises RequestError naming the node TensorRT cannot express."""
        parsed = self._parser.parse_from_file(str(model))
        errors = [self._parser.get_error(index) for index in range(self._parser.num_errors)]
        self.parser_messages = [_message(error) for error in errors]
        if not parsed or errors:
            raise self._refused(errors[0] if errors else None)
        if not self._network.num_layers or not self._network.num_outputs:
            raise RequestError(Reason.InvalidModel, "TensorRT finds no layers or no outputs in the model")

    def compile(self, target: Path, report: Report) -> Sink:
        """Write the engine to ``target``; it appears there only when it is whole."""
        config = self._configured(report)
        with whole_file(target) as file:
            sink = Sink(file)
            built = self._serialize(config, sink)
            self._check_outcome(built, sink, report)
        return sink

    def _configured(self, report: Report) -> Any:
        config = self._builder.create_builder_config()
        config.progress_monitor = self._monitor = monitor_of(self._trt, report)
        self._backend.aim(config, self._inputs)
        settle(config, "builder_optimization_level", self._options.optimization_level)
        if self._options.workspace is not None:
            settle_workspace(self._trt, config, self._options.workspace)
        settle_flag(self._trt, config, "TF32", self._inputs.precision == "tf32")
        for index, profile in enumerate(self._wanted_profiles):
            self._add_profile(config, index, profile)
        self.flags = flags_in_force(self._trt, config)
        self._settings = {
            "optimizationLevel": int(config.builder_optimization_level),
            "workspace": int(config.get_memory_pool_limit(self._trt.MemoryPoolType.WORKSPACE)),
        }
        return config

    def _add_profile(self, config: Any, index: int, wanted: Profile) -> None:
        profile = self._builder.create_optimization_profile()
        shape_tensors = self._shape_tensors()
        for name, shape in wanted.shapes.items():
            if name in shape_tensors:
                raise RequestError(
                    Reason.InvalidProfile,
                    f"profiles[{index}].shapes.{name}: TensorRT needs a range of this input's values, "
                    "not of its shape",
                    "export the model so that no shape is computed from an input",
                )
            profile.set_shape(name, shape.min, shape.opt, shape.max)
        if config.add_optimization_profile(profile) != index:
            raise RequestError(Reason.InvalidProfile, f"profiles[{index}]: TensorRT does not accept it")
        self.profiles.append(wanted.to_json())

    def _shape_tensors(self) -> set[str]:
        inputs = (self._network.get_input(index) for index in range(self._network.num_inputs))
        return {item.name for item in inputs if item.is_shape_tensor}

    def _serialize(self, config: Any, sink: Sink) -> bool:
        stream = getattr(self._builder, "build_serialized_network_to_stream", None)
        if stream is not None:
            return bool(stream(self._network, config, writer_of(self._trt, sink)))
        plan = self._builder.build_serialized_network(self._network, config)
        return plan is not None and sink.write(plan) > 0

    def _check_outcome(self, built: bool, sink: Sink, report: Report) -> None:
        if sink.error is not None:
            raise sink.error
        if report.cancelled:
            raise TransientError(Reason.Interrupted, "the build was asked to stop")
        # An ERROR means TensorRT went on without something it was told, so it fails what looks built.
        if not built or not sink.size or self._journal.errors:
            raise verdict_of(
                self._journal.errors,
                f"{self._name} cannot build {self._inputs.precision} for {self._inputs.gpu_arch}",
            )

    @property
    def _name(self) -> str:
        return f"{self._backend.flavor} {self._backend.version}"

    def _refused(self, error: Any | None) -> Exception:
        if error is None:
            return verdict_of(self._journal.errors, f"{self._name} cannot parse the model")
        node = f"node {error.node_name() or error.node()} ({error.node_operator()})"
        return verdict_of([f"{error.code().name}: {error.desc()}"], f"{self._name} cannot express {node}")


@contextlib.contextmanager
def whole_file(target: Path) -> Iterator[BinaryIO]:
    """
    Open a file that appears as ``target`` only when the block ends well; else nothing is left.

    It is not synced to disk: a work directory does not outlive its machine, and who keeps the file syncs it.
    """
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb", buffering=0) as file:
            yield file
        part.rename(target)
    finally:
        part.unlink(missing_ok=True)


def _tensor(tensor: Any) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype.name.lower(), "shape": list(tensor.shape)}


def _message(error: Any) -> dict[str, Any]:
    return {
        "code": error.code().name,
        "message": error.desc(),
        "node": error.node_name(),
        "operator": error.node_operator(),
    }
