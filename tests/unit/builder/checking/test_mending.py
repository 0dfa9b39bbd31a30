"""What TensorRT or ONNX's tools refuse or misread, mended by a little rewriting that computes the same."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.checking.inspection import load_checked, load_mended, nodes_of
from ignition_builder.checking.output_shapes import cut_as_defined
from ignition_builder.checking.stored_integers import widen_stored_integers
from ignition_builder.checking.weights import write_model
from ignition_builder.files import Files
from ignition_builder.journal import Journal
from ignition_builder.pipeline import build
from ignition_builder.precision.conversion import convert
from ignition_builder.precision.floats import BRAIN
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import Profile
from smallmodels import model_of, request_for, saved, shape_range

FLOAT, HALF, INT8, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.INT64
RANDOM = np.random.default_rng(5)
PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
CHECK = {"accuracy": {"rtol": 0.05, "atol": 0.05}}


def tensor(name, values, kind=np.float32):
    return numpy_helper.from_array(np.array(values, dtype=kind), name)


def normal(*shape):
    return RANDOM.standard_normal(shape).astype(np.float32)


def outputs_of(path, **feeds):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def mended(path, folder):
    """Return the model in ``path`` as the first stage reads it, in a file of its own."""
    model, _ = load_mended(path)
    lies_in, _ = widen_stored_integers(model, path, folder)
    target = folder / "mended.onnx"
    write_model(model, lies_in.parent, target, {})
    onnx.checker.check_model(str(target))
    return target


def assert_mended(model, folder, **feeds):
    """Mend a model, and compare it in onnxruntime with itself; return what it became."""
    came = saved(model, folder)
    after = mended(came, folder)
    for one, other in zip(outputs_of(came, **feeds), outputs_of(after, **feeds), strict=True):
        assert np.allclose(one, other, rtol=1e-5, atol=1e-6), np.abs(one - other).max()
    return onnx.load(after)


def built(model, folder, precision, **more):
    return build(
        request_for(precision, verification=CHECK, **more), saved(model, folder), folder, lambda *_: None
    )


def late_casts():
    """Return what a converter to fp16 makes that appends its casts."""
    nodes = [
        helper.make_node("MatMul", ["x16", "w"], ["a"], name="fc"),
        helper.make_node("Relu", ["a"], ["y16"], name="act"),
        helper.make_node("Cast", ["x"], ["x16"], name="in", to=HALF),
        helper.make_node("Cast", ["y16"], ["y"], name="out", to=FLOAT),
    ]
    weights = [tensor("w", normal(16, 16) / 4, np.float16)]
    return model_of(nodes, {"x": [2, 16]}, {"y": [2, 16]}, weights=weights)


def late_for_a_branch(*, inside=False):
    """Return a model whose ``If`` comes before what a branch reads; ``inside`` that is out of order too."""
    late = [helper.make_node("Mul", ["x", "x"], ["b"]), helper.make_node("Add", ["b", "h"], ["t"])]
    late = late[::-1] if inside else late
    same = [helper.make_node("Neg", ["h"], ["e"])]
    branches = [
        helper.make_graph(nodes, name, [], [helper.make_tensor_value_info(name, FLOAT, [2, 4])])
        for nodes, name in ((late, "t"), (same, "e"))
    ]
    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=branches[0], else_branch=branches[1]),
        helper.make_node("Relu", ["x"], ["h"]),
        helper.make_node("Greater", ["s", "zero"], ["c"]),
        helper.make_node("ReduceSum", ["x"], ["s"], keepdims=0),
    ]
    return model_of(nodes, {"x": [2, 4]}, {"y": [2, 4]}, weights=[tensor("zero", 0)])


def test_nodes_are_put_behind_what_they_read(tmp_path):
    found = assert_mended(late_casts(), tmp_path, x=normal(2, 16))

    assert [node.name for node in found.graph.node] == ["in", "fc", "act", "out"]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_node_is_put_behind_what_its_branches_read(sign, tmp_path):
    assert_mended(late_for_a_branch(), tmp_path, x=sign * np.abs(normal(2, 4)))


@pytest.mark.parametrize("sign", [1, -1])
def test_nodes_of_a_branch_are_put_in_order(sign, tmp_path):
    # onnxruntime 1.31.1 takes nodes in any order, and not those of a branch.
    feeds = {"x": sign * np.abs(normal(2, 4))}
    expected = outputs_of(saved(late_for_a_branch(), tmp_path), **feeds)
    found = outputs_of(mended(saved(late_for_a_branch(inside=True), tmp_path), tmp_path), **feeds)

    assert np.array_equal(found, expected)


def test_nodes_that_are_in_order_stay_as_they_stand(tmp_path):
    names = ["b", "a", "d", "c"]
    nodes = [helper.make_node("Relu", ["x"], [name], name=name) for name in names]
    model = model_of(nodes, {"x": [1]}, {name: [1] for name in names})
    found, is_changed = load_mended(saved(model, tmp_path))

    assert [node.name for node in found.graph.node] == names
    assert not is_changed


def test_nodes_that_wait_for_each_other_are_refused(tmp_path):
    nodes = [helper.make_node("Add", ["x", "b"], ["a"]), helper.make_node("Add", ["x", "a"], ["b"])]
    with pytest.raises(RequestError, match="topologically sorted"):
        load_checked(saved(model_of(nodes, {"x": [1]}, {"b": [1]}), tmp_path))


@pytest.mark.parametrize(
    ("make", "precision"),
    [(late_casts, "fp16"), *((late_for_a_branch, precision) for precision in ("fp32", "fp16", "bf16"))],
)
def test_a_model_out_of_order_is_built_and_passes(make, precision, tmp_path):
    assert built(make(), tmp_path, precision).size > 0


FOREIGN = ("com.microsoft", "com.example.unused")


def foreign(opset=17):
    """Return a model that imports what it does not use, as onnxruntime writes it."""
    nodes = [helper.make_node("Conv", ["x", "w"], ["c"], name="c"), helper.make_node("Relu", ["c"], ["y"])]
    return model_of(
        nodes,
        {"x": [1, 4, 8, 8]},
        {"y": [1, 8, 6, 6]},
        weights=[tensor("w", normal(8, 4, 3, 3))],
        opset=opset,
        domains=FOREIGN,
    )


def test_imports_that_nothing_uses_are_forgotten(tmp_path):
    model = load_checked(saved(foreign(), tmp_path))

    assert [item.domain for item in model.opset_import] == [""]


def test_an_import_that_a_function_or_a_branch_uses_stays(tmp_path):
    function = helper.make_function(
        "mine",
        "Twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    inner = helper.make_graph(
        [helper.make_node("Twice", ["x"], ["t"], domain="mine")],
        "inner",
        [],
        [helper.make_tensor_value_info("t", FLOAT, [2])],
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=inner)
    model = model_of([node], {"c": ([], TensorProto.BOOL), "x": [2]}, {"y": [2]}, domains=["mine", *FOREIGN])
    model.functions.append(function)

    assert [item.domain for item in load_checked(saved(model, tmp_path)).opset_import] == ["", "mine"]


def test_a_model_with_such_imports_becomes_bf16(tmp_path):
    path = saved(foreign(), tmp_path)
    with Journal(tmp_path / "log") as journal:
        target, _ = convert(load_checked(path), path, BRAIN, tmp_path, journal)

    assert target.is_file()


@pytest.mark.filterwarnings("ignore")
def test_a_model_with_such_imports_becomes_int8_below_opset_13(tmp_path):
    np.savez(tmp_path / "samples.npz", x=normal(4, 1, 4, 8, 8))
    options = {"calibration": {"uri": "s3://b/samples.npz", "method": "max"}}
    files = Files(calibration=tmp_path / "samples.npz")
    path = saved(foreign(opset=11), tmp_path)

    assert build(request_for("int8", options=options), path, tmp_path, lambda *_: None, files=files).size > 0


@pytest.mark.parametrize("level", ["ORT_ENABLE_BASIC", "ORT_DISABLE_ALL"])
def test_what_onnxruntime_saved_becomes_bf16(level, tmp_path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(tmp_path / "resaved.onnx")
    onnxruntime.InferenceSession(str(saved(foreign(), tmp_path)), options, providers=["CPUExecutionProvider"])
    model = onnx.load(tmp_path / "resaved.onnx")

    assert len(model.opset_import) > 1
    assert built(model, tmp_path, "bf16").size > 0


def grouped(*, opset=18, groups=2, scales=None, **options):
    """Return a convolution of four channels and its normalization in groups."""
    count = scales or (groups if opset < 21 else 4)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["c"], pads=[1] * 4),
        helper.make_node(
            "GroupNormalization", ["c", "s", "b"], ["y"], name="gn", num_groups=groups, **options
        ),
    ]
    weights = [
        tensor("w", normal(4, 3, 3, 3)),
        tensor("s", np.arange(2, 2 + count)),
        tensor("b", normal(count)),
    ]
    return model_of(nodes, {"x": ["n", 3, 8, 8]}, {"y": ["n", 4, 8, 8]}, weights=weights, opset=opset)


@pytest.mark.parametrize("opset", [18, 20])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("options", [{}, {"epsilon": 0.5}])
def test_group_normalization_with_a_scale_for_each_group_is_what_it_was(opset, groups, options, tmp_path):
    model = grouped(opset=opset, groups=groups, **options)

    found = assert_mended(model, tmp_path, x=normal(3, 3, 8, 8))

    assert "GroupNormalization" not in {node.op_type for node in found.graph.node}


def test_group_normalization_in_a_branch_is_what_it_was(tmp_path):
    names = [
        helper.make_graph(
            [helper.make_node("GroupNormalization", ["x", "s", "b"], [name], num_groups=2)],
            name,
            [],
            [helper.make_tensor_value_info(name, FLOAT, [1, 4, 5])],
        )
        for name in ("t", "e")
    ]
    node = helper.make_node("If", ["c"], ["y"], then_branch=names[0], else_branch=names[1])
    weights = [tensor("s", [2, 3]), tensor("b", [0.5, 1])]
    model = model_of(
        [node], {"c": ([], TensorProto.BOOL), "x": [1, 4, 5]}, {"y": [1, 4, 5]}, weights=weights, opset=18
    )

    assert_mended(model, tmp_path, c=np.array(True), x=normal(1, 4, 5))


@PRECISIONS
def test_such_a_normalization_is_built_and_passes(precision, tmp_path):
    model = grouped()
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1

    assert built(model, tmp_path, precision).size > 0


def test_a_scale_for_each_channel_is_refused_and_built_as_opset_21(tmp_path):
    with pytest.raises(RequestError, match=r"node gn \(GroupNormalization\): s has the shape") as caught:
        load_checked(saved(grouped(scales=4), tmp_path))

    assert caught.value.reason is Reason.UnsupportedOperator
    assert "export the model with opset 21" in caught.value.remedy
    load_checked(saved(grouped(opset=21), tmp_path))


def scattered(operator):
    node = helper.make_node(operator, ["x", "i", "u"], ["y"], name="write")
    weights = [tensor("i", np.zeros((2, 4)), np.int64)]
    return model_of([node], {"x": [4, 4], "u": [2, 4]}, {"y": [4, 4]}, weights=weights)


def upsampled(opset=17, operator="Upsample"):
    inputs = ["x", "s"] if operator == "Upsample" else ["x", "", "s"]
    node = helper.make_node(operator, inputs, ["y"], name="larger", mode="nearest")
    weights = [tensor("s", [1, 1, 2, 2])]
    return model_of([node], {"x": [1, 1, 4, 4]}, {"y": [1, 1, 8, 8]}, weights=weights, opset=opset)


@pytest.mark.parametrize(
    ("before", "instead", "after"),
    [
        (scattered("Scatter"), "use ScatterElements in its place", scattered("ScatterElements")),
        (upsampled(), "use Resize in its place", upsampled(operator="Resize")),
        (upsampled(), "an opset that has it", upsampled(opset=9)),
    ],
)
def test_an_operator_that_onnx_gave_up_is_named_and_built_as_advised(before, instead, after, tmp_path):
    with pytest.raises(RequestError, match="ONNX removed it before opset 17") as caught:
        load_checked(saved(before, tmp_path))

    assert instead in caught.value.remedy
    assert build(request_for("fp32"), saved(after, tmp_path), tmp_path, lambda *_: None).size > 0


def stored(kind=np.int8, *, channels=4, opset=17, as_constant=False):
    """Return a convolution whose weights are kept as integers, cast and scaled."""
    values = RANDOM.integers(0, 100, (8, channels, 3, 3)).astype(kind)
    if np.dtype(kind).kind == "i":
        values = values - np.array(50, dtype=kind)
    nodes = [
        helper.make_node("Cast", ["stored"], ["c"], to=FLOAT),
        helper.make_node("Mul", ["c", "scale"], ["w"]),
        helper.make_node("Conv", ["x", "w"], ["a"]),
        helper.make_node("Relu", ["a"], ["y"]),
    ]
    weights = [tensor("scale", RANDOM.random((8, 1, 1, 1)) / 100), numpy_helper.from_array(values, "stored")]
    if as_constant:
        nodes.insert(0, helper.make_node("Constant", [], ["stored"], value=weights.pop()))
    return model_of(nodes, {"x": [1, channels, 9, 9]}, {"y": [1, 8, 7, 7]}, weights=weights, opset=opset)


def table():
    """Return words that are looked up in a table kept as integers, and moved about before they are cast."""
    nodes = [
        helper.make_node("Gather", ["table", "x"], ["rows"]),
        helper.make_node("Transpose", ["rows"], ["columns"], perm=[1, 0]),
        helper.make_node("Cast", ["columns"], ["y"], to=FLOAT),
    ]
    weights = [tensor("table", RANDOM.integers(-127, 128, (300, 64)), np.int8)]
    model = model_of(nodes, {"x": ([5], INT64)}, {"y": [64, 5]}, weights=weights)
    model.graph.value_info.append(helper.make_tensor_value_info("rows", INT8, [5, 64]))
    return model


KINDS = pytest.mark.parametrize("kind", [np.int8, np.int16, np.uint16, np.uint32])


@KINDS
@pytest.mark.parametrize("channels", [4, 512])
def test_weights_that_are_kept_as_integers_are_what_they_were(kind, channels, tmp_path):
    found = assert_mended(stored(kind, channels=channels), tmp_path, x=normal(1, channels, 9, 9))

    types = {item.name: item.data_type for item in found.graph.initializer}
    assert types["stored"] == (INT64 if kind is np.uint32 else TensorProto.INT32)


def test_a_constant_that_is_kept_so_is_what_it_was(tmp_path):
    assert_mended(stored(as_constant=True), tmp_path, x=normal(1, 4, 9, 9))


def test_a_table_that_is_kept_so_is_what_it_was(tmp_path):
    assert_mended(table(), tmp_path, x=np.array([0, 299, 5, 5, 1]))


def test_weights_in_another_file_are_what_they_were(tmp_path):
    onnx.save(
        stored(channels=512), tmp_path / "m.onnx", save_as_external_data=True, location="d", size_threshold=0
    )
    after = mended(tmp_path / "m.onnx", tmp_path)
    feeds = {"x": normal(1, 512, 9, 9)}

    assert np.allclose(outputs_of(tmp_path / "m.onnx", **feeds), outputs_of(after, **feeds), rtol=1e-5)


def test_what_a_dequantization_reads_too_stays_as_it_is(tmp_path):
    model = stored()
    model.graph.node.append(helper.make_node("DequantizeLinear", ["stored", "one"], ["z"]))
    model.graph.initializer.append(tensor("one", 1))
    model.graph.output.append(helper.make_tensor_value_info("z", FLOAT, [8, 4, 3, 3]))
    path = saved(model, tmp_path)
    came, _ = load_mended(path)

    assert widen_stored_integers(came, path, tmp_path) == (path, False)
    assert [item.data_type for item in came.graph.initializer if item.name == "stored"] == [INT8]


@pytest.mark.parametrize(
    ("make", "precision"),
    [
        *((stored, precision) for precision in ("fp32", "fp16", "bf16")),
        (table, "fp16"),
        (lambda: stored(np.uint16), "bf16"),
        (lambda: stored(channels=512), "fp32"),
    ],
)
def test_a_model_whose_weights_are_kept_so_is_built_and_passes(make, precision, tmp_path):
    assert built(make(), tmp_path, precision).size > 0


STATES = {"LSTM": ("h", "c"), "GRU": ("h",), "RNN": ("h",)}
GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
SEQUENCE, BATCH, HIDDEN = 5, 3, 4


def recurrent(operator, *, layout, outputs):
    """Return a model of one recurrent node in both directions, with the states it begins with."""
    states, gates = STATES[operator], GATES[operator] * HIDDEN
    weights = {"w": (2, gates, 6), "r": (2, gates, HIDDEN), "b": (2, 2 * gates)}
    drawn = np.random.default_rng(7)
    node = helper.make_node(
        operator,
        ["x", "w", "r", "b", "", *states],
        [*(name if name in outputs else "" for name in ("y", "y_h"))],
        hidden_size=HIDDEN,
        direction="bidirectional",
        **({"layout": 1} if layout else {}),
    )
    shapes = {"x": [BATCH, SEQUENCE, 6], **{name: [BATCH, 2, HIDDEN] for name in states}}
    made = {"y": [BATCH, SEQUENCE, 2, HIDDEN], "y_h": [BATCH, 2, HIDDEN]}
    if not layout:
        shapes = {"x": [SEQUENCE, BATCH, 6], **{name: [2, BATCH, HIDDEN] for name in states}}
        made = {"y": [SEQUENCE, 2, BATCH, HIDDEN], "y_h": [2, BATCH, HIDDEN]}
    constants = [tensor(name, drawn.standard_normal(shape) / 2) for name, shape in weights.items()]
    return model_of([node], shapes, {name: made[name] for name in outputs}, weights=constants, opset=17)


@pytest.mark.parametrize("outputs", [("y",), ("y_h",), ("y", "y_h")])
@pytest.mark.parametrize("operator", GATES)
def test_a_recurrent_node_with_the_batch_first_gives_what_one_with_the_sequence_first_gives(
    operator, outputs, tmp_path
):
    feeds = {"x": normal(BATCH, SEQUENCE, 6), **{name: normal(BATCH, 2, HIDDEN) for name in STATES[operator]}}
    usual = recurrent(operator, layout=0, outputs=outputs)
    swapped = {name: values.swapaxes(0, 1) for name, values in feeds.items()}
    expected = dict(zip(outputs, outputs_of(saved(usual, tmp_path), **swapped), strict=True))

    path = mended(saved(recurrent(operator, layout=1, outputs=outputs), tmp_path), tmp_path)
    found = dict(zip(outputs, outputs_of(path, **feeds), strict=True))

    for name, order in (("y", (2, 0, 1, 3)), ("y_h", (1, 0, 2))):
        if name in outputs:
            assert np.allclose(found[name], expected[name].transpose(order), rtol=1e-5, atol=1e-6)
    assert load_mended(saved(usual, tmp_path))[1] is False


LEFT_OF_A_REDUCTION = {
    "ReduceL1": ("Abs", np.abs),
    "ReduceL2": ("Abs", np.abs),
    "ReduceSumSquare": ("Mul", np.square),
    "ReduceLogSum": ("Log", np.log),
}


@pytest.mark.parametrize("operator", LEFT_OF_A_REDUCTION)
def test_a_reduction_over_no_axes_is_what_is_left_of_it(operator, tmp_path):
    node = helper.make_node(operator, ["x"], ["y"], noop_with_empty_axes=1)
    model = model_of([node], {"x": [3, 4]}, {"y": [3, 4]}, opset=18)
    x = np.abs(normal(3, 4)) if operator == "ReduceLogSum" else normal(3, 4)
    left, computed = LEFT_OF_A_REDUCTION[operator]

    path = mended(saved(model, tmp_path), tmp_path)

    # With numpy: onnxruntime 1.23.2, the last for Python 3.10, runs none of these reductions itself.
    assert np.allclose(outputs_of(path, x=x)[0], computed(x), rtol=1e-5, atol=1e-6)
    assert [node.op_type for node in onnx.load(path).graph.node] == [left]


def test_a_pool_of_absolute_values_is_given_them(tmp_path):
    nodes = [helper.make_node("GlobalLpPool", ["x"], [f"y{p}"], p=p) for p in (1, 2, 3)]
    model = model_of(nodes, {"x": [1, 2, 3, 3]}, {f"y{p}": [1, 2, 1, 1] for p in (1, 2, 3)})

    found = assert_mended(model, tmp_path, x=normal(1, 2, 3, 3))

    assert [node.op_type[0] for node in found.graph.node] == [*"AGGAG"]


def triangle(**attributes):
    node = helper.make_node("Trilu", ["x"], ["y"], **attributes)
    return model_of([node], {"x": [4, 4]}, {"y": [4, 4]})


def test_an_engine_keeps_the_upper_triangle_where_a_model_leaves_it_to_onnx(tmp_path):
    plans = []
    for number, attributes in enumerate(({}, {"upper": 1}, {"upper": 0})):
        folder = tmp_path / str(number)
        folder.mkdir()
        plans.append(Path(built(triangle(**attributes), folder, "fp32").path).read_bytes())

    assert plans[0] == plans[1] != plans[2]


def test_a_triangle_in_a_branch_and_in_a_function_says_which_it_is(tmp_path):
    inner = [helper.make_node("Trilu", ["x"], ["t"])]
    value = helper.make_tensor_value_info("t", FLOAT, [4, 4])
    branch = helper.make_graph(inner, "inner", [], [value])
    function = helper.make_function("mine", "Kept", ["x"], ["t"], inner, [helper.make_opsetid("", 17)])
    nodes = [
        helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch),
        helper.make_node("Kept", ["x"], ["z"], domain="mine"),
    ]
    inputs = {"c": ([], TensorProto.BOOL), "x": [4, 4]}
    model = model_of(nodes, inputs, {"y": [4, 4], "z": [4, 4]}, domains=["mine"])
    model.functions.append(function)

    found, is_changed = load_mended(saved(model, tmp_path))

    kept = [node for node in nodes_of(found) if node.op_type == "Trilu"]
    assert [[(item.name, item.i) for item in node.attribute] for node in kept] == [[("upper", 1)]] * 3
    assert is_changed


def upsampling(inputs=(1, 2, 4, 5), **attributes):
    """Return a model of one ConvTranspose that doubles what it reads, as far as its attributes let it."""
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2], **attributes)
    weights = [tensor("w", np.random.default_rng(3).standard_normal((2, 3, 3, 3)))]
    return model_of([node], {"x": [*inputs]}, {"y": ["n", "c", "h", "w"]}, weights=weights)


OUTPUTS = (
    ([8, 10], {}),
    ([7, 9], {}),
    ([6, 9], {}),
    ([8, 10], {"dilations": [2, 1]}),
    ([9, 11], {"output_padding": [1, 1]}),
)


@pytest.mark.parametrize(
    ("auto_pad", "shape", "more"),
    [
        *((way, *asked) for way in ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID") for asked in OUTPUTS),
        ("NOTSET", [8, 10], {"pads": [1, 1, 0, 0]}),
    ],
)
def test_what_a_transposed_convolution_cuts_off_is_written_down_as_onnx_defines_it(
    auto_pad, shape, more, tmp_path
):
    model, x = upsampling(output_shape=shape, auto_pad=auto_pad, **more), normal(1, 2, 4, 5)
    expected = outputs_of(saved(model, tmp_path), x=x)

    assert cut_as_defined(model, [])

    assert np.array_equal(outputs_of(saved(model, tmp_path), x=x), expected)
    assert not {"output_shape", "auto_pad"} & {item.name for item in model.graph.node[0].attribute}


@pytest.mark.parametrize("auto_pad", ["NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"])
def test_what_is_added_behind_a_transposed_convolution_is_left_to_the_parser(auto_pad, tmp_path):
    model, x = upsampling(output_shape=[10, 12], auto_pad=auto_pad), normal(1, 2, 4, 5)
    expected = outputs_of(saved(model, tmp_path), x=x)

    assert cut_as_defined(model, [])

    assert np.array_equal(outputs_of(saved(model, tmp_path), x=x), expected)
    assert [item.name for item in model.graph.node[0].attribute] == ["output_shape", "strides"]


def test_sizes_that_all_profiles_have_are_enough_and_others_are_refused():
    model = upsampling(["n", 2, "h", 5], output_shape=[8, 10])
    profile = Profile({"x": shape_range([1, 2, 4, 5], [2, 2, 4, 5], [8, 2, 4, 5])})
    other = Profile({"x": shape_range([1, 2, 4, 5], [2, 2, 4, 5], [8, 2, 6, 5])})

    with pytest.raises(RequestError, match="not known before the engine runs: export the model with pads"):
        cut_as_defined(model, [profile, other])
    assert cut_as_defined(model, [profile])
    assert list(model.graph.node[0].attribute[-1].ints) == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("shape", "words"),
    [([8, 20], r"makes less than the \[8, 20\]"), ([8], "reads 2 sizes beside batch and channels")],
)
def test_what_a_transposed_convolution_does_not_make_is_refused_with_its_name(shape, words):
    with pytest.raises(RequestError, match=rf"ConvTranspose.* {words}") as refused:
        cut_as_defined(upsampling(output_shape=shape), [])
    assert refused.value.reason == Reason.UnsupportedOperator


@pytest.mark.parametrize("operator", ["LSTM", "GlobalLpPool", "ReduceL1", "Trilu"])
def test_a_node_that_lacks_its_input_is_left_to_the_checker(operator, tmp_path):
    attributes = {"LSTM": {"layout": 1}, "GlobalLpPool": {"p": 1}, "ReduceL1": {"noop_with_empty_axes": 1}}
    node = helper.make_node(operator, [], ["y"], **attributes.get(operator, {}))

    with pytest.raises(RequestError) as refused:
        load_mended(saved(model_of([node], {"x": [2]}, {"y": [2]}, opset=18), tmp_path))
    assert refused.value.reason == Reason.InvalidModel


def test_an_engine_cuts_off_the_end_that_onnx_names(tmp_path):
    plans = []
    for number, attributes in enumerate(({"output_shape": [8, 10]}, {"pads": [1, 1, 0, 0]})):
        folder = tmp_path / str(number)
        folder.mkdir()
        plans.append(Path(built(upsampling(**attributes), folder, "fp32").path).read_bytes())

    assert plans[0] == plans[1]
