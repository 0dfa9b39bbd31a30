"""
The inputs of a case: one for the check, others to calibrate with, and others again that nobody saw.

``python -m realzoo.samples CASE FOLDER`` writes them, and ``case.json``: what the file of the model tells.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ignition_builder.checking.inspection import opset_of, tensors_of
from ignition_builder.checking.skeleton import load_skeleton
from realzoo.case import Case, Supplies
from realzoo.catalogue import CASES
from realzoo.exporter import exporter_of
from realzoo.supplies import model_of, supplies_of

CHECK, CALIBRATION, HELD_OUT = "inputs.npz", "calibration.npz", "held-out.npz"
DRAWN: Mapping[str, tuple[int, int]] = {CHECK: (1, 1), CALIBRATION: (12, 2), HELD_OUT: (4, 3)}
"""How many there are, and the seed that they are made with."""
CASE_FILE = "case.json"


def main(name: str, folder: Path) -> None:
    """Write what is needed of a case to build it."""
    case = next(case for case in CASES if case.name == name)
    written(case, supplies_of(case), folder)
    (folder / CASE_FILE).write_text(json.dumps(told_of(model_of(case))), encoding="utf-8")


def written(case: Case, supplies: Supplies, folder: Path) -> None:
    """Write all samples of a case: those of the check as the model takes them, the others stacked."""
    folder.mkdir(parents=True, exist_ok=True)
    for file, (count, seed) in DRAWN.items():
        samples = case.samples(supplies, count, seed)
        arrays: dict[str, Any] = {name: np.stack([sample[name] for sample in samples]) for name in samples[0]}
        if file == CHECK:
            arrays = samples[0]
        np.savez_compressed(folder / file, **arrays)


def held_out(folder: Path) -> list[dict[str, Any]]:
    """Return the samples that neither the check nor the calibration had."""
    with np.load(folder / HELD_OUT) as arrays:
        stacked = {name: arrays[name] for name in arrays.files}
    count = len(next(iter(stacked.values())))
    # Of an input without axes an entry is a number, and no array.
    return [{name: np.asarray(values[index]) for name, values in stacked.items()} for index in range(count)]


def told_of(model: Path) -> dict[str, Any]:
    """Return ``exporter``, ``opset`` and ``model``, the size in bytes with external data, of an ONNX file."""
    skeleton = load_skeleton(model)
    files = {model, *(model.parent / name for name in _external(skeleton))}
    size = sum(path.stat().st_size for path in files)
    return {"exporter": exporter_of(skeleton), "opset": opset_of(skeleton), "model": size}


def _external(model: Any) -> set[str]:
    return {
        item.value for tensor in tensors_of(model) for item in tensor.external_data if item.key == "location"
    }


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
