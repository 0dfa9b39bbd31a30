"""
The second stage of a build, in its own process: compile the prepared model with TensorRT.
"""

import contextlib
import os
from pathlib import Path
from typing import Any

from ignition_builder.compiling.backend import load_backend, open_backend
from ignition_builder.compiling.callbacks import logger_of
from ignition_builder.compiling.compiler import Compiler
from ignition_builder.compiling.configuring import tf32_in_force
from ignition_builder.compiling.gpu import Share
from ignition_builder.compiling.kernels import keep_kernels
from ignition_builder.compiling.page_cache import sweeping
from ignition_builder.compiling.request import CompilationRequest
from ignition_builder.documents import CALIBRATOR, Compiled, Prepared, Task, counted, prepared_of
from ignition_builder.journal import Journal
from ignition_builder.memory import check_memory, peak, read_memory
from ignition_builder.options import options_of
from ignition_builder.report import Report
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import FLAVORS

ENGINE_FILE = "engine.trt"
QUANTIZED_PRECISIONS = ("int8", "fp8", "int4", "fp4")

_share = Share()


def warm() -> None:
    """Load NVIDIA's libraries while the model is still on its way; what is not here is reported later."""
    for flavor in FLAVORS:
        with contextlib.suppress(ImportError):
            load_backend(flavor)


def run(task: Task, report: Report, journal: Journal) -> dict[str, Any]:
    """Return a Compiled as JSON; raises IgnitionError with the reason."""
    prepared = prepared_of(task)
    _keep_temporary_files_in(task.folder)
    request = compilation_request(task, prepared)
    backend = open_backend(request.inputs)
    backend.check(request.inputs, request.options)
    if backend.gpu is not None:
        _share.warn_if_busy(backend.gpu, journal)
    model, target = Path(prepared.path), Path(task.folder) / ENGINE_FILE
    check_memory(prepared.weights_bytes, read_memory(), journal, request.inputs)
    compiler = Compiler(backend, request, journal)
    if backend.gpu is not None:
        keep_kernels(backend.trt, logger_of(backend.trt, journal, backend.severity_of))
    compiler.parse(model)
    with sweeping(prepared.weights_bytes, prepared.weight_files):
        sink = compiler.compile(target, report)
    _share.settle()
    return Compiled(
        path=str(target),
        sha256=sink.sha256,
        size=sink.size,
        tensorrt_version=request.inputs.tensorrt_version,
        cuda_version=backend.cuda_version,
        driver=backend.driver,
        gpu=backend.gpu,
        flags=compiler.flags,
        settings=compiler.settings,
        engine_io=compiler.engine_io,
        tf32_in_force=tf32_in_force(request.inputs, compiler.flags),
        profiles=tuple(profile.to_json() for profile in request.profiles),
        parser_messages=tuple(compiler.parser_messages),
        plugins=tuple(compiler.plugins),
        timing_cache=compiler.timing_cache,
        warnings=counted(journal.warnings),
        peak_memory_bytes=peak(),
    ).to_json()


def compilation_request(task: Task, prepared: Prepared) -> CompilationRequest:
    """Return what the compiler is asked for: the request, as the first stage found it to be."""
    inputs, calibrates = task.request.inputs, prepared.converter.get("path") == CALIBRATOR
    if inputs.options.get("calibration") and inputs.precision not in QUANTIZED_PRECISIONS:
        raise RequestError(
            Reason.UnsupportedOption,
            f"options.calibration: precision {inputs.precision} has no ranges to calibrate",
            f"leave it out, or ask for {', '.join(QUANTIZED_PRECISIONS)}",
        )
    return CompilationRequest(
        inputs=inputs,
        options=options_of(task.request.options),
        profiles=prepared.profiles,
        typing=prepared.typing,
        calibration_cache=task.files.calibration if calibrates else None,
        plugins=task.files.plugins,
        timing_cache=task.timing_cache,
    )


def _keep_temporary_files_in(folder: str) -> None:
    # TensorRT unpacks libraries into the system's directory for them, which a pod may mount without exec.
    os.environ["TMPDIR"] = folder
