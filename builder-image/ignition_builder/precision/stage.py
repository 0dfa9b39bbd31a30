"""
The first stage of a build, in its own process: check the model and give it the wanted precision.

It loads ONNX and never TensorRT, so its memory is gone before the engine is compiled.
"""

from pathlib import Path
from typing import Any

from ignition_builder.checking.branches import take_foreseen_branches
from ignition_builder.checking.checker_exceptions import check_text
from ignition_builder.checking.duplicate_outputs import leave_out_repeated
from ignition_builder.checking.expressible import check_expressible, check_kinds
from ignition_builder.checking.functions import check_functions
from ignition_builder.checking.inference import check_inference
from ignition_builder.checking.inspection import facts_of, inputs_of, load_mended
from ignition_builder.checking.integers import warn_of_clamping
from ignition_builder.checking.outline import load_outline
from ignition_builder.checking.output_shapes import cut_as_defined
from ignition_builder.checking.placeholders import forget_placeholders
from ignition_builder.checking.plugin_nodes import check_plugin_nodes
from ignition_builder.checking.portability import check_travelling
from ignition_builder.checking.profiles import resolved
from ignition_builder.checking.shape_check import check_fit
from ignition_builder.checking.skeleton import load_skeleton
from ignition_builder.checking.squeezes import name_squeezed_axes
from ignition_builder.checking.stored_integers import widen_stored_integers
from ignition_builder.checking.weights import external_size, weight_files
from ignition_builder.documents import Prepared, Task, counted
from ignition_builder.journal import Journal
from ignition_builder.memory import peak
from ignition_builder.precision.selection import Came, with_precision
from ignition_builder.report import Report

CHECKING = "Checking model"


def run(task: Task, report: Report, journal: Journal) -> dict[str, Any]:
    """Return a Prepared as JSON; raises IgnitionError with the reason."""
    report.progress(CHECKING, 0.0)
    inputs = task.request.inputs
    plugins = bool(inputs.options.get("plugins"))
    _check_outline(task)
    model, path, is_changed = _loaded(task, plugins=plugins)
    check_functions(model)
    check_expressible(model, inputs, journal)
    check_travelling(model, inputs)
    check_plugin_nodes(model, inputs, journal)
    check_inference(model, plugins=plugins)
    warn_of_clamping(model, path.parent, inputs, journal)
    is_changed |= forget_placeholders(model)
    is_changed |= leave_out_repeated(model, journal)
    profiles = resolved(inputs.profiles, inputs_of(model))
    check_fit(model, profiles, plugins=plugins)
    is_changed |= take_foreseen_branches(model, profiles, journal)
    is_changed |= name_squeezed_axes(model, profiles)
    is_changed |= cut_as_defined(model, profiles)
    facts = facts_of(model)
    came = Came(
        model=model,
        path=path,
        inputs=inputs,
        files=task.files,
        folder=Path(task.folder),
        journal=journal,
        is_changed=is_changed,
    )
    ready = with_precision(came)
    skeleton = load_skeleton(ready.path)
    return Prepared(
        path=str(ready.path),
        facts=facts,
        converter=ready.converter,
        typing=ready.typing,
        profiles=profiles,
        warnings=counted(journal.warnings),
        peak_memory_bytes=peak(),
        weights_bytes=external_size(skeleton),
        weight_files=weight_files(skeleton, ready.path),
    ).to_json()


def _check_outline(task: Task) -> None:
    """Refuse what can be refused before long lists are read, which may need more memory than there is."""
    if outline := load_outline(Path(task.model)):
        check_text(outline)
        check_kinds(outline, task.request.inputs)


def _loaded(task: Task, *, plugins: bool) -> tuple[Any, Path, bool]:
    """Return the model as TensorRT reads it, where its weights lie, and whether that file holds another."""
    came = Path(task.model)
    model, is_mended = load_mended(came, plugins=plugins)
    path, is_widened = widen_stored_integers(model, came, Path(task.folder))
    return model, path, is_widened or (is_mended and path == came)
