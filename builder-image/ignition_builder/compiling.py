"""
The second stage of a build, in its own process: compile the prepared model with TensorRT.
"""

import contextlib
import resource
from pathlib import Path
from typing import Any

from ignition_builder.backend import load_backend, open_backend
from ignition_builder.compiler import Compiler
from ignition_builder.journal import Journal
from ignition_builder.options import options_of
from ignition_builder.pages import PageSweeper
from ignition_builder.report import Report
from ignition_builder.work import Compiled, Task, counted
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.identity import FLAVORS

ENGINE_FILE = "engine.trt"


def warm() -> None:
    """Load NVIDIA's libraries while the model is still on its way; what is not here is reported later."""
    for flavor in FLAVORS:
        with contextlib.suppress(ImportError):
            load_backend(flavor)


def run(task: Task, report: Report, journal: Journal) -> dict[str, Any]:
    """Return a Compiled as JSON; raises IgnitionError with the reason."""
    prepared = task.prepared
    if prepared is None:
        raise ContractError("Task.prepared: nothing was prepared", "run stage inspect first")
    inputs, options = task.request.inputs, options_of(task.request.options)
    backend = open_backend(inputs)
    backend.check(inputs, options)
    compiler = Compiler(backend, inputs, options, journal, prepared.profiles)
    model, target = Path(prepared.path), Path(task.folder) / ENGINE_FILE
    compiler.parse(model)
    with PageSweeper(model.parent):
        sink = compiler.compile(target, report)
    return Compiled(
        path=str(target),
        sha256=sink.sha256,
        size=sink.size,
        tensorrt_version=backend.version,
        cuda_version=backend.cuda_version,
        flags=compiler.flags,
        settings=compiler.settings,
        engine_io=compiler.engine_io,
        tf32_in_force=compiler.tf32_in_force,
        profiles=tuple(compiler.profiles),
        parser_messages=tuple(compiler.parser_messages),
        warnings=counted(journal.warnings),
        # Linux counts ru_maxrss in KiB.
        peak_memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
    ).to_json()
