"""
The models that tests build: public ones the onnx package ships, and small ones made here.

``distinct`` gives a model nobody has built before, so that a test never finds its engine already there.
"""

from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import onnx


def public_model(name: str) -> Path:
    """Find one of the light classic networks that the onnx package ships for its own tests."""
    spec = find_spec("onnx")
    if spec is None or spec.origin is None:
        raise RuntimeError("the onnx package is not installed: run `make setup`")
    path = Path(spec.origin).parent / "backend" / "test" / "data" / "light" / f"light_{name}.onnx"
    if not path.exists():
        raise FileNotFoundError(f"the onnx package ships no {path.name}")
    return path


def distinct(name: str, folder: Path) -> Path:
    """Copy a public model with a new producer version: other bytes, the same network."""
    model = onnx.load(public_model(name))
    model.producer_version = uuid4().hex
    copy = folder / f"{name}.onnx"
    onnx.save(model, copy)
    return copy
