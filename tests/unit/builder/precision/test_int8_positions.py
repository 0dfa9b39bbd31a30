"""Positions, counts and shapes where a model becomes int8: 255 levels hold none of them, so none has any."""

import copy

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from conversions import node
from ignition_builder.checking.inspection import load_checked
from ignition_builder.journal import Journal
from ignition_builder.precision.quantize import quantize
from ignition_builder.verifying.session import session_of
from ignition_hub.engine.errors import RequestError
from smallmodels import model_of, read_back, saved

DRAWN = np.random.default_rng(0)
FREQUENCIES = (10000.0 ** -(np.arange(0, 32, 2) / 32)).astype(np.float32).reshape(1, -1)
COUNT = 640


def tensor(name, values, kind=np.float32):
    return numpy_helper.from_array(np.array(values, dtype=kind), name)


def quantized(model, folder, **calibration):
    path = saved(model, folder)
    np.savez(folder / "calibration.npz", **{name: values[None] for name, values in calibration.items()})
    with Journal(folder / "log") as journal:
        target, _ = quantize(
            load_checked(path), path, folder / "calibration.npz", "max", folder=folder, journal=journal
        )
    return read_back(target)


def products_of_levels(model):
    back = {name for one in model.graph.node if one.op_type == "DequantizeLinear" for name in one.output}
    return [
        one.name or one.output[0]
        for one in model.graph.node
        if one.op_type == "MatMul" and one.input[0] in back
    ]


def layer(value):
    return [node("Tanh", [value], ["h"]), node("MatMul", ["h", "w"], ["y"])]


LAYER = tensor("w", DRAWN.standard_normal((16, 4)))


def angles(value):
    return [
        node("Unsqueeze", [value, "axis"], ["column"]),
        node("MatMul", ["column", "frequencies"], ["angles"]),
        node("Cos", ["angles"], ["turned"]),
        *layer("turned"),
    ]


ANGLES = [tensor("axis", [1], np.int64), tensor("frequencies", FREQUENCIES), LAYER]
INTEGERS = ([COUNT], TensorProto.INT64)
POSITIONS = {
    "positions that are given": (
        [node("Cast", ["p"], ["f"], to=TensorProto.FLOAT), *angles("f")],
        INTEGERS,
        np.arange(COUNT),
    ),
    "positions that are counted": (
        [
            node("CumSum", ["p", "zero"], ["count"]),
            node("Cast", ["count"], ["f"], to=TensorProto.FLOAT),
            *angles("f"),
        ],
        INTEGERS,
        np.ones(COUNT, dtype=np.int64),
    ),
    "a time between 0 and 1": (
        [node("Mul", ["p", "many"], ["f"]), *angles("f")],
        [COUNT],
        np.linspace(0, 1, COUNT, dtype=np.float32),
    ),
}
MORE = [tensor("zero", 0, np.int64), tensor("many", 1000)]


@pytest.mark.parametrize(("nodes", "given", "p"), POSITIONS.values(), ids=POSITIONS)
def test_the_angles_of_positions_are_not_quantized_and_the_layer_behind_them_is(nodes, given, p, tmp_path):
    read = {name for one in nodes for name in one.input}
    weights = [item for item in (*ANGLES, *MORE) if item.name in read]
    model = model_of(nodes, {"p": given}, {"y": [COUNT, 4]}, weights=weights)
    found = quantized(model, tmp_path, p=p)
    one, other = (session_of(each).run(None, {"p": p})[0] for each in (model, found))

    assert len(products_of_levels(found)) == 1
    assert np.abs(one - other).max() < 0.05 * np.abs(one).max()


def test_positions_that_a_layer_reads_too_are_exact_for_their_angles(tmp_path):
    nodes = [
        node("Cast", ["p"], ["f"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["f", "axis"], ["column"]),
        node("MatMul", ["column", "frequencies"], ["angles"]),
        node("Cos", ["angles"], ["turned"]),
        node("Reshape", ["column", "pairs"], ["two"]),
        node("MatMul", ["two", "v"], ["learned"]),
        node("Unsqueeze", ["two", "axis"], ["apart"]),
        node("Sin", ["apart"], ["z"]),
        node("Sigmoid", ["learned"], ["y"]),
    ]
    pairs = tensor("pairs", [-1, 2], np.int64)
    weights = [*ANGLES[:2], tensor("v", DRAWN.standard_normal((2, 4)) / COUNT), pairs]
    outputs = {"turned": [COUNT, 16], "z": [COUNT // 2, 1, 2], "y": [COUNT // 2, 4]}
    model = model_of(nodes, {"p": INTEGERS}, outputs, weights=weights)
    found = quantized(model, tmp_path, p=np.arange(COUNT))
    one, other = (session_of(each).run(None, {"p": np.arange(COUNT)}) for each in (model, found))

    assert len(products_of_levels(found)) == 1
    assert all(np.abs(right - given).max() < 1e-3 for right, given in zip(one[:2], other[:2], strict=True))
    assert np.abs(one[2] - other[2]).max() < 0.05


def test_a_length_that_a_product_computes_is_the_length(tmp_path):
    nodes = [
        node("Shape", ["x"], ["shape"]),
        node("Cast", ["shape"], ["sizes"], to=TensorProto.FLOAT),
        node("MatMul", ["sizes", "half"], ["product"]),
        node("Cast", ["product"], ["end"], to=TensorProto.INT64),
        node("Slice", ["x", "zero", "end", "zero"], ["piece"]),
        *layer("piece"),
    ]
    weights = [tensor("half", [[0.5], [0.0625]]), tensor("zero", [0], np.int64), LAYER]
    model = model_of(nodes, {"x": ["n", 16]}, {"y": ["m", 4]}, weights=weights)
    found = quantized(model, tmp_path, x=DRAWN.standard_normal((1500, 16)).astype(np.float32))
    x = DRAWN.standard_normal((1370, 16)).astype(np.float32)
    one, other = (session_of(each).run(None, {"x": x})[0] for each in (model, found))

    assert one.shape == other.shape == (686, 4)
    assert len(products_of_levels(found)) == 1


def test_a_model_with_nothing_but_positions_has_nothing_to_quantize(tmp_path):
    nodes = copy.deepcopy(POSITIONS["positions that are given"][0][:-2])
    nodes[-1].output[0] = "y"
    model = model_of(nodes, {"p": INTEGERS}, {"y": [COUNT, 16]}, weights=ANGLES[:2])

    with pytest.raises(RequestError, match="nothing to quantize"):
        quantized(model, tmp_path, p=np.arange(COUNT))
