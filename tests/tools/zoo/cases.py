"""
The models of the ``onnx`` package: nine public networks, and a model for nearly every use of an operator.

The networks are without their weights (filled with one value each) to fit into the package; their graphs are
those that were published.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx.backend.test.loader import load_node_model_tests

DATA = Path(onnx.__file__).parent / "backend" / "test" / "data"
NETWORKS = "networks"
FOLDERS = ("simple", "pytorch-converted", "pytorch-operator")
_EXPANDED = "_expanded"
_MOST_SIZES = 8
_MOST_VALUES = 16


@dataclass(frozen=True)
class Case:
    """
    One model: its name, the collection it is of, the operator it is about, and its bytes.

    ``shapes`` are of the inputs the package would run it with, where it says so; ``values`` are those of
    the small ones, as serialized tensors: counts, axes and the like, which a network would hold itself.
    """

    name: str
    collection: str
    operator: str
    content: bytes
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    values: dict[str, bytes] = field(default_factory=dict)


@cache
def all_cases() -> tuple[Case, ...]:
    """Return every model of the installed package, networks first, by name."""
    return (*networks(), *_single_operators(), *(case for folder in FOLDERS for case in _folder(folder)))


def networks() -> Iterator[Case]:
    """Yield the nine public networks."""
    for path in sorted((DATA / "light").glob("light_*.onnx")):
        yield Case(path.stem.removeprefix("light_"), NETWORKS, "", path.read_bytes())


def _single_operators() -> Iterator[Case]:
    with warnings.catch_warnings():
        # The package computes its expected outputs while it is imported, infinities included.
        warnings.simplefilter("ignore")
        tests = sorted(load_node_model_tests(), key=lambda test: str(test.name))
    operators = {test.name: _first_operator(test.model) for test in tests}
    for test in tests:
        # An expanded model spells one operator out in others; it is about the one.
        origin = test.name.partition(_EXPANDED)[0]
        given = _given(test.model, test.data_sets[0][0] if test.data_sets else ())
        operator = operators.get(origin, operators[test.name])
        content = test.model.SerializeToString()
        yield Case(test.name, "node", operator, content, _shapes(given), _values(given))


def _folder(folder: str) -> Iterator[Case]:
    for path in sorted((DATA / folder).glob("*/model.onnx")):
        content = path.read_bytes()
        model = onnx.ModelProto.FromString(content)
        given = _given(model, _inputs(path))
        yield Case(path.parent.name, folder, _first_operator(model), content, _shapes(given), _values(given))


def _inputs(path: Path) -> Iterator[Any]:
    for file in sorted((path.parent / "test_data_set_0").glob("input_*.pb")):
        try:
            yield onnx.numpy_helper.to_array(onnx.TensorProto.FromString(file.read_bytes()))
        except (ValueError, TypeError):
            # A sequence or an optional is no tensor, and has no shape.
            yield None


def _given(model: Any, values: Iterable[Any]) -> dict[str, Any]:
    return {
        item.name: np.asarray(value)
        for item, value in zip(model.graph.input, values, strict=False)
        if hasattr(value, "shape")
    }


def _shapes(given: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in given.items() if value.ndim <= _MOST_SIZES}


def _values(given: Mapping[str, Any]) -> dict[str, bytes]:
    return {
        name: onnx.numpy_helper.from_array(value, name).SerializeToString()
        for name, value in given.items()
        if value.ndim <= 1 and value.size <= _MOST_VALUES and value.dtype.kind in "biuf"
    }


def _first_operator(model: Any) -> str:
    """Return what a model is about: its first node that is no constant."""
    names = [node.op_type for node in model.graph.node]
    return next((name for name in names if name != "Constant"), names[0] if names else "")
