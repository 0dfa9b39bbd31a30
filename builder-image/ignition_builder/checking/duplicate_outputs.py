"""
Outputs that say again what an engine has already: an input under its own name, or another output.

Each tensor of an engine has one name, and each name one tensor. Of a model that gives an input out as it
came, NVIDIA's parser keeps the output and calls the input ``__name`` (measured on RTX 1.7.1): nobody wrote
that name, and no profile knows it. Whoever feeds the engine has the value in hand: the input keeps its name.
"""

from typing import Any

from ignition_builder.checking.inspection import inputs_of
from ignition_builder.journal import Journal
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.warnings import Warn

REMEDY = "to keep it, return it under another name through an Identity"


def leave_out_repeated(model: Any, journal: Journal) -> bool:
    """
    Leave such outputs out of ``model``, each with a warning; tell whether there were any.

    Raises RequestError (InvalidModel) when no other output is left.
    """
    inputs = {item.name for item in inputs_of(model)}
    seen, kept = set(inputs), []
    for value in model.graph.output:
        if value.name in seen:
            journal.warn(Warn.OutputLeftOut, _words(value.name, value.name in inputs))
        else:
            kept.append(value)
        seen.add(value.name)
    if not kept:
        raise RequestError(
            Reason.InvalidModel, "every output of the model is one of its inputs, unchanged", REMEDY
        )
    left_out = len(kept) < len(model.graph.output)
    if left_out:
        del model.graph.output[:]
        model.graph.output.extend(kept)
    return left_out


def _words(name: str, is_input: bool) -> str:
    if is_input:
        return f"output {name} is the unchanged input {name}, which the engine has as an input only; {REMEDY}"
    return f"output {name} is listed twice, and the engine has it once"
