"""A profile promises shapes: those that the model cannot be run at are refused, and the remedy works."""

from dataclasses import replace

import numpy as np
import pytest
from onnx import helper, numpy_helper

from ignition_builder.compiling.profile_errors import broken_promise
from ignition_builder.messages import severity_of
from ignition_builder.pipeline import build
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.identity import Profile
from smallmodels import model_of, request_for, saved, shape_range

BAKED = (
    "Profile kMAX values are not self-consistent. IShuffleLayer heads: reshaping failed for tensor: a "
    "reshape would change volume 512 to 128 In executeReshape at /_src/runtime/core/shapeMachine.cpp:348 "
    "Instruction: RESHAPEinput dims{4 16 8} reshape dims{1 16 2 4}. In executeContinuation at "
    "/_src/runtime/core/shapeMachine.cpp:1103"
)


def batches(last=1):
    """A batch that an exporter wrote into a Reshape; ``last`` is what it wrote, -1 leaves it free."""
    nodes = [
        helper.make_node("Reshape", ["x", "to"], ["r"], name="heads"),
        helper.make_node("Relu", ["r"], ["y"], name="act"),
    ]
    weights = [numpy_helper.from_array(np.array([last, 16, 2, 4]), "to")]
    return model_of(nodes, {"x": ["batch", 16, 8]}, {"y": ["b", 16, 2, 4]}, weights=weights)


def frames():
    """A length of which fewer than three are no frame."""
    nodes = [helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[3], name="frame")]
    return model_of(nodes, {"x": [1, 1, "n"]}, {"y": [1, 1, "m"]})


def positions():
    """A table of positions for sixteen steps, as learned embeddings are."""
    weights = [numpy_helper.from_array(np.ones((1, 16, 8), np.float32), "table")]
    nodes = [helper.make_node("Add", ["x", "table"], ["y"], name="pos")]
    return model_of(nodes, {"x": [1, "n", 8]}, {"y": [1, "m", 8]}, weights=weights)


CASES = {
    "baked": (batches(), ((1, 16, 8), (1, 16, 8), (4, 16, 8)), "largest shapes, x [4, 16, 8]: “", "heads"),
    "frames": (frames(), ((1, 1, 1), (1, 1, 8), (1, 1, 16)), "smallest shapes, x [1, 1, 1]: “", "y"),
    "table": (positions(), ((1, 1, 8), (1, 16, 8), (1, 32, 8)), "largest shapes, x [1, 32, 8]: “", "pos"),
}


@pytest.fixture
def built(tmp_path):
    """Return what builds ``model`` for one range of shapes."""
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")

    def run(model, wanted):
        path = saved(model, tmp_path)
        request = request_for("fp32", "sm_89", profiles=[{"x": wanted}])
        return build(request, path, tmp_path, lambda *_: None)

    return run


@pytest.mark.parametrize("case", CASES)
def test_an_end_that_the_model_cannot_be_run_at_is_refused_and_the_usual_one_is_the_remedy(case, built):
    model, shapes, place, node = CASES[case]
    wanted = shape_range(*shapes)
    with pytest.raises(RequestError) as caught:
        built(model, wanted)

    error = caught.value
    assert error.reason == "InvalidProfile"
    assert f"profiles[0]: the model cannot be run at its {place}" in error.message
    assert node in error.message
    assert " at /" not in error.message
    end = "min" if "smallest" in place else "max"
    axis = next(axis for axis in range(3) if getattr(wanted, end)[axis] != wanted.opt[axis])
    verb = "begin" if end == "min" else "end"
    assert f"let dimension {axis} of shapes.x {verb} at {wanted.opt[axis]}, as usual" in error.remedy
    # A profile with one end mended: whatever is left, it is built.
    assert built(model, replace(wanted, **{end: wanted.opt})).size > 0


def test_a_batch_that_is_exported_free_is_built_for_every_batch(built):
    assert built(batches(-1), shape_range((1, 16, 8), (1, 16, 8), (4, 16, 8))).facts.warnings == ()


def test_usual_shapes_that_the_model_cannot_be_run_at_are_the_profiles_fault(built):
    with pytest.raises(
        RequestError, match=r"at its usual shapes, x \[4, 16, 8\]: “.*heads.*512 to 128"
    ) as caught:
        built(batches(), shape_range((1, 16, 8), (4, 16, 8), (4, 16, 8)))
    assert caught.value.reason == "InvalidProfile"
    assert "give opt sizes that go through the model" in caught.value.remedy


def layer(operator, inputs, sizes, *weights, **attributes):
    """One layer of an input all of whose ``sizes`` are free, with weights from the third input on."""
    given = [
        numpy_helper.from_array(np.ones(shape, np.float32), f"w{index}")
        for index, shape in enumerate(weights)
    ]
    node = helper.make_node(operator, inputs, ["y"], name="it", **attributes)
    free = [f"d{axis}" for axis in range(sizes)]
    return model_of([node], {"x": free}, {"y": None}, weights=given)


RECURRENT = ["x", "w0", "w1", "", "", "w2"]
FIXED = {
    "a batch that was written into a Reshape": (batches(), (4, 16, 8), (1, 16, 8)),
    "fewer steps than a frame has": (frames(), (1, 1, 1), (1, 1, 8)),
    "fewer pixels than a kernel has": (
        layer("Conv", ["x", "w0"], 4, (4, 3, 9, 9)), (2, 3, 4, 4), (2, 3, 9, 9)
    ),
    "more channels than a kernel has": (
        layer("Conv", ["x", "w0"], 4, (4, 3, 3, 3)), (2, 5, 8, 8), (2, 3, 8, 8)
    ),
    "more channels than there are slopes": (
        layer("PRelu", ["x", "w0"], 4, (3, 1, 1)), (2, 5, 8, 8), (2, 3, 8, 8)
    ),
    "other channels than a normalization has": (
        layer("InstanceNormalization", ["x", "w0", "w0"], 4, (3,)), (2, 5, 8, 8), (2, 3, 8, 8)
    ),
    "other rows than a bias has": (layer("Gemm", ["x", "w0", "w1"], 2, (8, 8), (3, 8)), (2, 8), (3, 8)),
    "other features than a cell has": (
        layer("GRU", RECURRENT[:3], 3, (1, 12, 8), (1, 12, 4), hidden_size=4), (5, 4, 9), (5, 4, 8)
    ),
    "a batch that was written into a state": (
        layer("GRU", RECURRENT, 3, (1, 12, 8), (1, 12, 4), (1, 1, 4), hidden_size=4), (5, 4, 8), (5, 1, 8)
    ),
    "pixels that make no blocks": (layer("SpaceToDepth", ["x"], 4, blocksize=2), (2, 3, 7, 7), (2, 3, 8, 8)),
}  # fmt: skip


@pytest.mark.parametrize("case", FIXED)
def test_sizes_without_a_choice_that_do_not_go_through_a_layer_are_the_profiles_fault_too(case, built):
    model, misfit, fit = FIXED[case]
    with pytest.raises(RequestError) as caught:
        built(model, shape_range(misfit, misfit, misfit))

    error = caught.value
    assert error.reason == "InvalidProfile"
    assert f"profiles[0]: the model cannot be run at its usual shapes, x {list(misfit)}: “" in error.message
    assert "give opt sizes that go through the model" in error.remedy
    assert built(model, shape_range(fit, fit, fit)).size > 0


def test_the_warning_is_an_error_of_both_flavors():
    assert severity_of("TensorRT", "WARNING", BAKED) == "ERROR"
    assert severity_of("TensorRTRTX", "WARNING", BAKED) == "ERROR"
    assert severity_of("TensorRTRTX", "WARNING", "Unused Input: x") == "WARNING"


def test_of_several_profiles_the_one_that_reaches_beyond_its_usual_shapes_is_named():
    usual = Profile({"x": shape_range((1, 16, 8), (1, 16, 8), (1, 16, 8))})
    wide = Profile({"x": shape_range((1, 16, 8), (1, 16, 8), (4, 16, 8))})
    error = broken_promise(["another thing", BAKED], [usual, wide])
    assert error is not None
    assert error.message == (
        "profiles[1]: the model cannot be run at its largest shapes, x [4, 16, 8]: “IShuffleLayer heads: "
        "reshaping failed for tensor: a reshape would change volume 512 to 128 Instruction: RESHAPEinput "
        "dims{4 16 8} reshape dims{1 16 2 4}”"
    )


def test_numbers_that_are_shapes_are_named_too():
    profile = Profile({}, values={"size": shape_range((1,), (2,), (9,))})
    error = broken_promise([BAKED], [profile])
    assert error is not None
    assert "size [9]" in error.message
    assert "let dimension 0 of values.size end at 2" in error.remedy


@pytest.mark.parametrize(
    ("errors", "profiles"),
    [
        (["out of memory"], [Profile({})]),
        ([BAKED], []),
        (["IShuffleLayer heads: reshape changes volume"], []),
        ([], []),
    ],
)
def test_other_errors_are_none_of_a_profile(errors, profiles):
    assert broken_promise(errors, profiles) is None
