"""Models that were made to hurt, or broken on the way, are refused by name before their data is read."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.checking.functions import check_functions
from ignition_builder.checking.inference import check_inference
from ignition_builder.checking.inspection import load_checked
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.local.external_data import external_files
from smallmodels import model_of, saved


def refusal_of(check, *arguments) -> RequestError:
    with pytest.raises(RequestError) as caught:
        check(*arguments)
    assert caught.value.remedy
    return caught.value


def identity(kind: int, **options):
    shape = ([2], kind)
    return model_of([helper.make_node("Identity", ["x"], ["y"])], {"x": shape}, {"y": shape}, **options)


def test_sparse_tensors_are_refused(tmp_path):
    model = identity(TensorProto.FLOAT)
    values = helper.make_tensor("s", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2]))
    error = refusal_of(load_checked, saved(model, tmp_path))

    assert error.message == "the model has sparse tensors, which TensorRT does not read"


def external_constant(**places):
    tensor = onnx.TensorProto(
        name="c", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL
    )
    for key, value in places.items():
        tensor.external_data.add(key=key, value=value)
    return tensor


def with_function(tensor):
    """The tensor is in a function's body, where few look."""
    constant = helper.make_node("Constant", [], ["c"], value=tensor)
    add = helper.make_node("Add", ["a", "c"], ["b"])
    function = helper.make_function(
        "mine", "AddFour", ["a"], ["b"], [constant, add], [helper.make_opsetid("", 17)]
    )
    node = helper.make_node("AddFour", ["x"], ["y"], domain="mine")
    return model_of([node], {"x": [4]}, {"y": [4]}, domains=["mine"], functions=[function])


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ({"location": "../outside"}, "'../outside', which is not beside the model"),
        ({"location": "/etc/passwd"}, "which is not beside the model"),
        ({"location": "link/weights"}, "which is not beside the model"),
        ({"location": "x" * 5000}, "which is not beside the model"),
        ({"location": "a\0b"}, "which is not beside the model"),
        ({"location": "gone"}, "'gone', which is not beside the model"),
        ({"location": "weights", "offset": "-4"}, "has offset '-4', not a position in a file"),
        ({"location": "weights", "offset": "many"}, "has offset 'many'"),
        ({"location": "weights", "length": "9" * 30}, "has length '999999"),
        ({"location": "weights", "offset": "8"}, "its shape [4] needs 16 bytes, 8 are there"),
        ({"location": "weights", "length": "99"}, "needs 16 bytes, 16 are there"),
        ({"location": "weights", "elsewhere": "weights"}, "unknown or repeated key 'elsewhere'"),
    ],
)
def test_external_data_is_the_models_own_wherever_it_is_named(places, said, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "outside").write_bytes(bytes(16))
    (folder / "weights").write_bytes(bytes(16))
    (folder / "link").symlink_to(folder)
    error = refusal_of(load_checked, saved(with_function(external_constant(**places)), folder))

    assert error.reason is Reason.InvalidModel
    assert error.message.startswith("tensor c: ")
    assert said in error.message


def test_two_locations_are_no_answer(tmp_path):
    tensor = external_constant(location="model.onnx")
    tensor.external_data.add(key="location", value="/etc/passwd")
    error = refusal_of(load_checked, saved(with_function(tensor), tmp_path))

    assert "unknown or repeated key 'location'" in error.message


@pytest.mark.parametrize("dims", [[-1], [2**40, 2**40], [2**62] * 4])
def test_a_tensor_of_no_possible_shape_is_refused(dims, tmp_path):
    model = identity(TensorProto.FLOAT, weights=[onnx.TensorProto(name="w", data_type=1, dims=dims)])
    error = refusal_of(load_checked, saved(model, tmp_path))

    assert error.message.startswith("tensor w: its shape [")


def test_an_input_of_no_possible_shape_is_refused(tmp_path):
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": [2**40, 2**40]}, {"y": [2**40, 2**40]})
    error = refusal_of(load_checked, saved(model, tmp_path))

    assert error.message.startswith("x: its shape [1099511627776, 1099511627776]")


def test_a_name_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "model.onnx"
    content = identity(TensorProto.FLOAT).SerializeToString()
    path.write_bytes(content.replace(b"Identity", b"Identit\xff"))
    error = refusal_of(load_checked, path)

    assert error.reason is Reason.InvalidModel
    assert error.message == r"NodeProto.op_type: b'Identit\xff' is not text in UTF-8"


def test_an_output_need_not_say_its_shape(tmp_path):
    model = identity(TensorProto.FLOAT)
    model.graph.output[0].type.tensor_type.ClearField("shape")

    assert load_checked(saved(model, tmp_path)) == model


def test_inputs_onnx_does_not_allow_are_named_before_tensorrts_parser_crashes_on_them():
    repeats = numpy_helper.from_array(np.ones((2, 2), np.int64), "repeats")
    node = helper.make_node("Tile", ["x", "repeats"], ["y"], name="tile")
    error = refusal_of(check_inference, model_of([node], {"x": [2]}, {"y": ["n"]}, weights=[repeats]))

    assert error.reason is Reason.InvalidModel
    assert error.message.startswith("node tile (Tile): ")


def test_a_shape_written_down_wrongly_is_no_reason_to_refuse():
    node = helper.make_node("Relu", ["x"], ["y"], name="act")

    check_inference(model_of([node], {"x": [2, 3]}, {"y": [5, 3]}))


def calling(depth: int):
    """Functions that each call the next one twice."""
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    functions = []
    for index in range(depth):
        inner, domain = (f"F{index + 1}", "mine") if index + 1 < depth else ("Relu", "")
        nodes = [
            helper.make_node(inner, ["a"], ["t"], domain=domain),
            helper.make_node(inner, ["t"], ["b"], domain=domain),
        ]
        functions.append(helper.make_function("mine", f"F{index}", ["a"], ["b"], nodes, opsets))
    node = helper.make_node("F0", ["x"], ["y"], domain="mine")
    return model_of([node], {"x": [4]}, {"y": [4]}, domains=["mine"], functions=functions)


def test_functions_that_write_out_to_a_billion_nodes_are_refused(tmp_path):
    check_functions(load_checked(saved(calling(5), tmp_path)))
    error = refusal_of(check_functions, load_checked(saved(calling(30), tmp_path)))

    assert error.reason is Reason.InvalidModel
    assert error.message.startswith("the model is 1073741824 nodes")


def test_a_files_name_hidden_in_the_default_of_a_functions_attribute_is_found(tmp_path):
    secret = numpy_helper.from_array(np.zeros(4, np.float32), "secret")
    onnx.external_data_helper.set_external_data(secret, "../token")
    secret.ClearField("raw_data")
    constant = helper.make_node("Constant", [], ["c"])
    reference = constant.attribute.add()
    reference.name, reference.ref_attr_name = "value", "weights"
    reference.type = onnx.AttributeProto.TENSOR
    opsets = [helper.make_opsetid("", 17)]
    nodes = [constant, helper.make_node("Add", ["a", "c"], ["b"])]
    function = helper.make_function("mine", "F", ["a"], ["b"], nodes, opsets)
    function.attribute_proto.append(helper.make_attribute("weights", secret))
    node = helper.make_node("F", ["x"], ["y"], domain="mine")
    model = model_of([node], {"x": [4]}, {"y": [4]}, domains=["mine"], functions=[function])
    path = saved(model, tmp_path)

    assert "'../token', which is not beside the model" in refusal_of(load_checked, path).message
    assert external_files(path) == ("../token",)


def test_functions_that_call_each_other_very_deep_are_refused():
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("mine", 1)]
    bodies = [helper.make_node("Relu", ["a"], ["b"])]
    bodies += [helper.make_node(f"F{index}", ["a"], ["b"], domain="mine") for index in range(499)]
    functions = [
        helper.make_function("mine", f"F{index}", ["a"], ["b"], [body], opsets)
        for index, body in enumerate(bodies)
    ]
    node = helper.make_node("F499", ["x"], ["y"], domain="mine")
    deep = model_of([node], {"x": [4]}, {"y": [4]}, domains=["mine"], functions=functions)
    # Directly: ONNX's own checker finds it or not, as the functions happen to be ordered.
    error = refusal_of(check_functions, deep)

    assert error.reason is Reason.InvalidModel
    assert "more than a hundred deep" in error.message


def test_a_function_that_calls_itself_is_refused(tmp_path):
    model = calling(1)
    model.functions[0].node[0].op_type, model.functions[0].node[0].domain = "F0", "mine"

    assert "Cycle detected" in refusal_of(load_checked, saved(model, tmp_path)).message


def length_delimited(number: int, content: bytes) -> bytes:
    size, encoded = len(content), b""
    while size >= 128:
        encoded, size = encoded + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + encoded + bytes([size]) + content


@pytest.mark.parametrize("depth", [200, 20_000])
def test_graphs_inside_graphs_without_end_are_refused(depth, tmp_path):
    graph = length_delimited(2, b"g")
    for _ in range(depth):
        attribute = length_delimited(1, b"then_branch") + length_delimited(6, graph)
        node = length_delimited(4, b"If") + length_delimited(5, attribute)
        graph = length_delimited(1, node) + length_delimited(2, b"g")
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x08" + length_delimited(7, graph))
    error = refusal_of(load_checked, path)

    assert error.message.startswith("the file is not an ONNX model (")


def relu(*outputs: str):
    return [helper.make_node("Relu", ["x"], [name]) for name in outputs]


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        (relu("y", "y"), "single static assignment"),
        (
            [helper.make_node("Add", ["x", "b"], ["y"]), helper.make_node("Relu", ["y"], ["b"])],
            "topologically",
        ),
        ([helper.make_node("Add", ["x", ""], ["y"])], "the ONNX checker refuses the model"),
        ([helper.make_node("", ["x"], ["y"])], "op_type"),
    ],
)
def test_a_graph_that_is_none_is_refused_in_the_checkers_words(nodes, said, tmp_path):
    error = refusal_of(load_checked, saved(model_of(nodes, {"x": [1]}, {"y": [1]}), tmp_path))

    assert error.reason is Reason.InvalidModel
    assert said in error.message


def test_an_input_without_a_type_is_refused(tmp_path):
    model = model_of(relu("y"), {"x": [1]}, {"y": [1]})
    model.graph.input[0].ClearField("type")

    assert refusal_of(load_checked, saved(model, tmp_path)).reason is Reason.InvalidModel
