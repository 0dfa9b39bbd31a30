"""Every way in which exporters spell a normalization keeps its squares out of fp16."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from ignition_builder.checking.inspection import load_checked
from ignition_builder.journal import Journal
from ignition_builder.precision.conversion import convert
from ignition_builder.precision.floats import HALF
from ignition_builder.precision.squares import square_values
from ignition_builder.verifying.emulation import ENGINES
from ignition_builder.verifying.reference import outputs_of
from ignition_builder.verifying.samples import Sample
from smallmodels import model_of, saved

WIDTH = 64


def node(operator, inputs, out, **attributes):
    return helper.make_node(operator, inputs.split(","), [out], **attributes)


def scaled(by):
    """Return the nodes that make a mean of the sum ``s``, as by a product or a quotient."""
    return {"Mul": "share", "Div": "width"}[by]


def normalization(by="Mul", *, moved=True, square="Mul"):
    """As JAX spells it: ``(a - mean) / sqrt(max(0, mean of squares - square of mean) + epsilon)``."""
    two, last = ",two" if square == "Pow" else "", "moved" if moved else "variance"
    nodes = [
        node("Relu", "x", "a"),
        node("ReduceSum", "a,axis", "s"),
        node(by, f"s,{scaled(by)}", "mean"),
        node(square, f"mean{two}" if two else "mean,mean", "square_of_mean"),
        node("Sub", "a,mean", "off"),
        node(square, f"a{two}" if two else "a,a", "squares"),
        node("ReduceSum", "squares,axis", "sum"),
        node(by, f"sum,{scaled(by)}", "mean_of_squares"),
        node("Sub", "mean_of_squares,square_of_mean", "difference"),
        node("Max", "zero,difference", "variance"),
        *([node("Reshape", "variance,shape", "moved")] if moved else []),
        node("Add", f"{last},epsilon", "safe"),
        node("Sqrt", "safe", "root"),
        node("Reciprocal", "root", "scale"),
        node("Mul", "off,scale", "y"),
    ]
    numbers = {"share": 1 / WIDTH, "width": WIDTH, "zero": 0, "epsilon": 1e-6, "two": 2}
    weights = [numpy_helper.from_array(np.array(value, np.float32), name) for name, value in numbers.items()]
    weights += [
        numpy_helper.from_array(np.array([1]), "axis"),
        numpy_helper.from_array(np.array([4, 1]), "shape"),
    ]
    return model_of(nodes, {"x": [4, WIDTH]}, {"y": [4, WIDTH]}, weights=weights)


@pytest.mark.parametrize("by", ["Mul", "Div"])
@pytest.mark.parametrize("moved", [True, False])
@pytest.mark.parametrize("square", ["Mul", "Pow"])
def test_a_variance_that_is_a_difference_of_squares_is_computed_wide(by, moved, square, tmp_path):
    """Sums of 64 squares around 200: beyond fp16, and their small difference is lost in it."""
    model = normalization(by, moved=moved, square=square)
    path = saved(model, tmp_path)
    x = (200 + np.random.default_rng(0).standard_normal((4, WIDTH))).astype(np.float32)
    expected = outputs_of(path, [Sample(0, {"x": x})], "it")[0]["y"]
    with Journal(tmp_path / "log") as journal:
        target, _ = convert(load_checked(path), path, HALF, tmp_path, journal)
    found = outputs_of(target, [Sample(0, {"x": x})], "it", ENGINES)[0]["y"]

    # What is normalized was rounded to steps of 0.125 itself.
    assert np.abs(found - expected).max() < 0.15


def test_what_is_kept_wide_ends_where_something_is_divided():
    assert square_values(normalization()) == {
        *("s", "mean", "square_of_mean", "squares", "sum", "mean_of_squares", "difference"),
        *("variance", "moved", "safe", "root", "scale"),
    }


def test_a_product_of_what_is_no_square_is_not_kept_wide():
    nodes = [node("Mul", "x,w", "p"), node("ReduceSum", "p,axis", "s"), node("Mul", "s,w", "y")]
    weights = [
        numpy_helper.from_array(np.ones(4, np.float32), "w"),
        numpy_helper.from_array(np.array([1]), "axis"),
    ]
    assert square_values(model_of(nodes, {"x": [4, 4]}, {"y": [4, 4]}, weights=weights)) == set()
