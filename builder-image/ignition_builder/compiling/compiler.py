"""
Compile one ONNX file into one serialized engine, through whichever backend is given.

Runs in a child process: TensorRT's logger is global to a process, and a crash of its parser or compiler must
not take the builder's last words with it.
"""

from pathlib import Path
from typing import Any

from ignition_builder.atomic_file import whole_file
from ignition_builder.compiling.backend import BuilderBackend, network_flags, release_of
from ignition_builder.compiling.callbacks import BUILDING, Sink, logger_of, monitor_of, writer_of
from ignition_builder.compiling.configuring import Configured, Parsed, configured, prepare_parser
from ignition_builder.compiling.libraries import load_plugins, load_standard_plugins
from ignition_builder.compiling.profile_errors import broken_promise
from ignition_builder.compiling.request import CompilationRequest
from ignition_builder.compiling.timing import TimingCache
from ignition_builder.journal import Journal
from ignition_builder.messages import verdict_of
from ignition_builder.report import Report
from ignition_hub.engine.errors import Reason, RequestError, TransientError
from ignition_hub.engine.type_names import type_word

NO_TIMING_CACHE = {"used": False, "why": "TensorRT-RTX has no timing cache"}


class Compiler:
    """
    One build: the network that was parsed and what the configuration became.

    The order of calls is ``parse``, ``compile``; the properties are complete after both.
    """

    def __init__(self, backend: BuilderBackend, request: CompilationRequest, journal: Journal) -> None:
        self._backend, self._trt, self._request, self._build_log = backend, backend.trt, request, journal
        logger = logger_of(self._trt, journal, backend.severity_of)
        load_standard_plugins(self._trt, logger)
        self._builder = self._trt.Builder(logger)
        self._plugins = load_plugins(self._trt, self._builder, request.options, request.plugins, journal)
        self._network = self._builder.create_network(network_flags(self._trt, request.typing))
        # Freed last: the network refers to weights the parser holds.
        self._parser = self._trt.OnnxParser(self._network, logger)
        self.parser_messages: list[dict[str, Any]] = []
        self.timing_cache: dict[str, Any] | None = None
        self._configured: Configured | None = None

    @property
    def flags(self) -> tuple[str, ...]:
        """The builder flags in force, by name."""
        return self._configured.flags if self._configured else ()

    @property
    def settings(self) -> dict[str, Any]:
        """The properties in force, read back from TensorRT."""
        return dict(self._configured.settings) if self._configured else {}

    @property
    def plugins(self) -> list[dict[str, Any]]:
        """The plugin libraries and what they registered, as BuildFacts has them."""
        packed = self._configured.packed if self._configured else ()
        return [item.to_json(is_packed=str(item.path) in packed) for item in self._plugins]

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
        prepare_parser(self._trt, self._parser, self._request)
        parsed = self._parser.parse_from_file(str(model))
        errors = [self._parser.get_error(index) for index in range(self._parser.num_errors)]
        self.parser_messages = [_message(error) for error in errors]
        if not parsed or errors:
            raise self._refused(errors[0] if errors else None)
        if not self._network.num_layers or not self._network.num_outputs:
            raise RequestError(Reason.InvalidModel, "TensorRT finds no layers or no outputs in the model")

    def compile(self, target: Path, report: Report) -> Sink:
        """Write the engine to ``target``; it appears there only when it is whole."""
        ready = self._configured = self._configure()
        config, cache = ready.config, self._timing_cache(ready)
        # Held here: TensorRT refers to it and does not keep it alive.
        monitor = monitor_of(self._trt, report)
        if monitor is not None:
            config.config.progress_monitor = monitor
        report.progress(BUILDING, 0.0)
        with whole_file(target) as file:
            sink = Sink(file)
            built = self._serialize(config.config, sink)
            self._check_outcome(built, sink, report)
        if cache is not None:
            self.timing_cache = cache.save()
        return sink

    def _configure(self) -> Configured:
        parsed = Parsed(self._builder, self._network, self._parser)
        ready = configured(self._backend, parsed, self._request, self._plugins)
        if self._build_log.errors:
            raise verdict_of(self._build_log.errors, f"{self._name} does not accept the configuration")
        return ready

    def _timing_cache(self, ready: Configured) -> TimingCache | None:
        task = self._request.timing_cache
        if not self._backend.has_timing_cache:
            self.timing_cache = dict(NO_TIMING_CACHE)
            return None
        if task is None:
            return None
        cache = TimingCache(ready.config, task, self._build_log)
        cache.load()
        return cache

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
            raise TransientError(Reason.Interrupted, "the build was canceled")
        # An ERROR means TensorRT went on without something it was told, so it fails what looks built.
        if not built or not sink.size or self._build_log.errors:
            inputs = self._request.inputs
            if broken := broken_promise(self._build_log.errors, self._request.profiles):
                raise broken
            raise verdict_of(
                self._build_log.errors, f"{self._name} cannot build {inputs.precision} for {inputs.gpu_arch}"
            )

    @property
    def _name(self) -> str:
        return release_of(self._backend)

    def _refused(self, error: Any | None) -> Exception:
        if error is None:
            return verdict_of(self._build_log.errors, f"{self._name} cannot parse the model")
        said = _message(error)
        return verdict_of(
            [f"{error.code().name}: {error.desc()}"],
            f"{self._name} cannot express {_place(error, said)}",
            otherwise=Reason.UnsupportedOperator,
        )


def _tensor(tensor: Any) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": type_word(tensor.dtype.name), "shape": list(tensor.shape)}


def _place(error: Any, said: dict[str, Any]) -> str:
    """Say which node NVIDIA's parser complains of; it counts from 0, and -1 is none in particular."""
    operator = f" ({said['operator']})" if said["operator"] else ""
    if said["node"] or error.node() >= 0:
        return f"node {said['node'] or error.node()}{operator}"
    return f"an operator{operator}" if operator else "the model"


def _message(error: Any) -> dict[str, Any]:
    return {
        "code": error.code().name,
        "message": error.desc(),
        "node": _word(error, "node_name"),
        "operator": _word(error, "node_operator"),
    }


def _word(error: Any, name: str) -> str:
    # The parser of TensorRT 8.5 and 8.6 names neither node nor operator (read from its bindings).
    return str(getattr(error, name)()) if hasattr(error, name) else ""
