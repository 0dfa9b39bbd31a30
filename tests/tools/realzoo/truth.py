"""
Compare the model that was compiled with the model as it came, on inputs that were held out.

``python -m realzoo.truth CASE PRECISION FOLDER`` reads ``built.json`` and writes ``truth.json``.
"""

import json
import sys
from pathlib import Path
from typing import Any

from accuracy_checks.request import ON_A_GPU
from ignition_builder.checking.skeleton import load_skeleton
from ignition_builder.verifying.answers import answers_of
from realzoo.answering import answers_for
from realzoo.arithmetic import as_compiled, as_it_came
from realzoo.attempt import BUILT_FILE
from realzoo.case import EMBEDDING, Case
from realzoo.catalogue import CASES
from realzoo.judging import differences_of
from realzoo.samples import held_out
from realzoo.supplies import model_of

TRUTH_FILE = "truth.json"


def main(name: str, precision: str, folder: Path) -> None:
    """Compare and write what was found."""
    case = next(case for case in CASES if case.name == name)
    compiled = Path(json.loads((folder / BUILT_FILE).read_text(encoding="utf-8"))["compiled"])
    found = truth_of(case, precision, compiled, folder.parent)
    (folder / TRUTH_FILE).write_text(json.dumps(found), encoding="utf-8")


def truth_of(case: Case, precision: str, compiled: Path, samples: Path) -> dict[str, Any]:
    """Return whose emulation was used, and the differences of all outputs."""
    model, given = model_of(case), held_out(samples)
    right = [_without_inputs(outputs, given[0]) for outputs in as_it_came(model, given)]
    other, emulation = as_compiled(compiled, given)
    answers = answers_for(load_skeleton(model), answers_of(load_skeleton(model)), right)
    directions = case.outputs == EMBEDDING
    found = differences_of(right, other, ON_A_GPU[precision], answers, directions=directions)
    return {"emulation": emulation, "outputs": [item.to_json() for item in found]}


def _without_inputs(outputs: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Leave out an output that is an input by name: an engine cannot have it, and it is no news."""
    return {name: values for name, values in outputs.items() if name not in inputs}


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
