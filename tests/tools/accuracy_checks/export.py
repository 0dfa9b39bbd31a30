"""
Put the trained networks into a folder that a machine without a registry can build from.

``FOLDER/NETWORK`` has ``model.onnx``, ``inputs.npz``, ``calibration.npz`` and ``case.json``, which says what
is asked: ``shapes`` as the command line takes them, and ``tolerance`` by precision.
"""

import json
import shutil
from pathlib import Path

from accuracy_checks.inputs import CALIBRATION, INPUTS, written
from accuracy_checks.request import METHOD, ON_A_GPU
from ignition_hub.engine.identity import ShapeRange
from realmodels import MODELS, real_model


def export(folder: Path) -> None:
    """Write every network into ``folder``."""
    for name, model in MODELS.items():
        own = folder / name
        own.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(real_model(name), own / "model.onnx")
        written(name, own / "calibration.npz", CALIBRATION)
        written(name, own / "inputs.npz", INPUTS)
        ranges = {key: ShapeRange(*sizes) for key, sizes in model.shapes.items()}
        case = {
            "what": model.what,
            "shapes": [f"{key}={_spelt(sizes)}" for key, sizes in ranges.items()],
            "method": METHOD,
            "tolerance": ON_A_GPU,
        }
        (own / "case.json").write_text(json.dumps(case, indent=2) + "\n", encoding="utf-8")


def _spelt(sizes: ShapeRange) -> str:
    return ":".join("x".join(map(str, shape)) for shape in (sizes.min, sizes.opt, sizes.max))
