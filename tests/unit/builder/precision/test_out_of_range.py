"""Integers that fp16 does not hold stay finite where a cast gives fp16, as floats do."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from conversions import Converted, floats, node
from ignition_builder.precision.floats import BRAIN, HALF
from smallmodels import model_of

INT32, INT64, FLOAT, DOUBLE = TensorProto.INT32, TensorProto.INT64, TensorProto.FLOAT, TensorProto.DOUBLE
HIDDEN = -10_000_000
SCORES = [node("Relu", ["x"], ["r"]), node("Add", ["r", "f"], ["s"]), node("Softmax", ["s"], ["y"])]


def integers(name, *values, dtype=np.int64):
    return numpy_helper.from_array(np.array(values, dtype), name)


def cast(source, target, kind=FLOAT):
    return node("Cast", [source], [target], to=kind)


def model(nodes, *weights, inputs=None):
    return model_of([*nodes, *SCORES], {"x": [1, 4], **(inputs or {})}, {"y": [1, 4]}, weights=list(weights))


def branches():
    """A mask from either branch of an If."""
    value = helper.make_tensor_value_info("m", INT64, [4])
    bodies = [
        helper.make_graph([node("Identity", [name], ["m"])], name, [], [value]) for name in ("hidden", "seen")
    ]
    return node("If", ["c"], ["k"], then_branch=bodies[0], else_branch=bodies[1])


MASKS = {
    "a weight": model([cast("k", "f")], integers("k", *[HIDDEN] * 4)),
    "of 32 bits": model([cast("k", "f")], integers("k", *[HIDDEN] * 4, dtype=np.int32)),
    "of 64 bits and floats": model([cast("k", "f")], integers("k", *[HIDDEN] * 4, dtype=np.float64)),
    "a constant": model(
        [helper.make_node("Constant", [], ["k"], value_ints=[HIDDEN] * 4), cast("k", "f")],
    ),
    "made of one": model(
        [node("Where", ["m", "low", "zero"], ["k"]), cast("k", "f")],
        numpy_helper.from_array(np.array([True] * 4), "m"),
        integers("low", HIDDEN),
        integers("zero", 0),
    ),
    "moved": model(
        [node("Unsqueeze", ["k", "zero"], ["u"]), cast("u", "f")],
        integers("k", *[HIDDEN] * 4),
        integers("zero", 0),
    ),
    "like another": model([node("CastLike", ["k", "x"], ["f"])], integers("k", *[HIDDEN] * 4)),
    "out of a branch": model(
        [branches(), cast("k", "f")],
        integers("hidden", *[HIDDEN] * 4),
        integers("seen", *[0] * 4),
        numpy_helper.from_array(np.array(True), "c"),
    ),
}


@pytest.mark.parametrize("narrow", [HALF, BRAIN], ids=lambda item: item.precision)
@pytest.mark.parametrize("mask", MASKS)
def test_a_mask_of_integers_stays_finite_where_nothing_may_be_seen(mask, narrow, tmp_path):
    x = np.zeros((1, 4), np.float32)
    (expected,) = ReferenceEvaluator(MASKS[mask]).run(None, {"x": x})
    (found,) = Converted(MASKS[mask], tmp_path, narrow).run(x=x)

    assert expected.tolist() == [[0.25] * 4]
    assert found.astype(np.float32).tolist() == [[0.25] * 4]


def test_integers_that_fp16_holds_are_cast_to_it_at_once(tmp_path):
    found = Converted(model([cast("k", "f")], integers("k", -60000, 0, 1, 2)), tmp_path)

    assert found.types["f"] == HALF.type


def test_the_end_of_a_slice_is_no_number_of_it(tmp_path):
    nodes = [node("Slice", ["m", "begin", "end"], ["k"]), cast("k", "f")]
    weights = [integers("begin", 0), integers("end", np.iinfo(np.int64).max)]
    found = Converted(model(nodes, *weights, inputs={"m": ([4], INT64)}), tmp_path)

    assert found.types["f"] == HALF.type


def test_what_a_network_computes_beyond_fp16_is_infinite_for_a_check_to_find(tmp_path):
    nodes = [node("Mul", ["x", "k"], ["f"])]
    found = Converted(model(nodes, floats("k", 60000)), tmp_path)

    assert "Clip" not in {made.op_type for made in found.model.graph.node}
