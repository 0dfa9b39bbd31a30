"""
Put two timing caches together, in a process of its own: TensorRT does it, and both came out of builds.
"""

from pathlib import Path
from typing import Any

from ignition_builder.atomic_file import whole_file
from ignition_builder.compiling.backend import open_backend
from ignition_builder.compiling.callbacks import logger_of
from ignition_builder.compiling.timing import merged
from ignition_builder.documents import Task
from ignition_builder.journal import Journal
from ignition_builder.options import options_of
from ignition_builder.report import Report
from ignition_hub.engine.errors import ContractError, Reason, RequestError


def run(task: Task, _report: Report, journal: Journal) -> dict[str, Any]:
    """Add the cache ``path_in`` to the one in ``path_out``; raises IgnitionError when they do not fit."""
    asked = task.timing_cache
    if asked is None or asked.path_in is None or asked.path_out is None:
        raise ContractError("Task.timing_cache: two timing caches are needed")
    inputs = task.request.inputs
    backend = open_backend(inputs)
    # Before anything of NVIDIA's is created: without a driver its objects crash.
    backend.check(inputs, options_of(inputs.options))
    builder = backend.trt.Builder(logger_of(backend.trt, journal, backend.severity_of))
    ours, others = Path(asked.path_out), Path(asked.path_in)
    try:
        both = merged(builder.create_builder_config(), ours.read_bytes(), others.read_bytes())
    except ValueError as error:
        raise RequestError(
            Reason.BuildFailed, str(error), "the next build replaces the stored one"
        ) from error
    with whole_file(ours) as file:
        file.write(both)
    return {"size": len(both)}
