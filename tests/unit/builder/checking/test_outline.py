"""A forest of trees is refused by its name and its outputs, before its millions of numbers are read."""

import os
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from ignition_builder.checking.outline import load_outline
from ignition_builder.checking.skeleton import LARGE, load_skeleton
from ignition_builder.documents import INSPECT, Task
from ignition_builder.journal import Journal
from ignition_builder.precision import stage
from ignition_builder.report import Report
from ignition_hub.engine.errors import Reason, RequestError
from smallmodels import dense, model_of, request_for, saved

ML = "ai.onnx.ml"
RUN_IT = "it is no neural network: run it with onnxruntime, as it is"


def forest(*, size: int = LARGE):
    """Return trees with a list of each kind, of ``size`` values."""
    lists = {
        "nodes_values": np.linspace(0, 1, size, dtype=np.float32).tolist(),
        "nodes_featureids": [0] * size,
        "nodes_modes": ["LEAF"] * size,
    }
    return helper.make_node(
        "TreeEnsembleClassifier",
        ["x"],
        ["label", "p"],
        name="trees",
        domain=ML,
        post_transform="NONE",
        **lists,
    )


def trees(**options):
    outputs = {"label": ([None], TensorProto.STRING), "p": [None, 2]}
    return model_of([forest(**options)], {"x": [None, 4]}, outputs, domains=[ML])


def inspected(path, folder):
    """Run the first stage in this process."""
    log = folder / "log"
    task = Task(stage=INSPECT, request=request_for("fp32"), model=str(path), folder=str(folder), log=str(log))
    with Journal(log) as journal, Path(os.devnull).open("wb") as nowhere:
        return stage.run(task, Report(nowhere.fileno()), journal)


def refusal_of(path, folder):
    with pytest.raises(RequestError) as caught:
        inspected(path, folder)
    return caught.value


def test_an_outline_has_all_but_the_long_lists(tmp_path):
    outline = load_outline(saved(trees(), tmp_path))

    (node,) = outline.graph.node
    assert (node.op_type, node.domain, list(node.output)) == ("TreeEnsembleClassifier", ML, ["label", "p"])
    assert [item.name for item in node.attribute] == ["post_transform"]
    assert outline.ByteSize() < 300


def test_a_model_without_long_lists_has_no_outline(tmp_path):
    assert load_outline(saved(trees(size=4), tmp_path, "few.onnx")) is None
    assert load_outline(saved(dense(width=128), tmp_path)) is None


def test_a_large_body_or_constant_is_no_list(tmp_path):
    values = helper.make_tensor("t", TensorProto.INT64, [LARGE], list(range(LARGE)))
    constant = helper.make_node("Constant", [], ["z"], value=values)
    body = helper.make_graph(
        [constant], "b", [], [helper.make_tensor_value_info("z", TensorProto.INT64, None)]
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=body, else_branch=body)
    kind = ([LARGE], TensorProto.INT64)
    model = model_of([node, forest()], {"c": ([], TensorProto.BOOL)}, {"y": kind}, domains=[ML])

    assert load_outline(saved(model, tmp_path)).graph.node[0] == node


def test_a_forest_is_refused_before_it_is_read_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "load_mended", lambda *_, **__: pytest.fail("it was read whole"))
    error = refusal_of(saved(trees(), tmp_path), tmp_path)

    assert error.reason is Reason.UnsupportedOperator
    assert "node trees (TreeEnsembleClassifier): TensorRT has no operators for classical" in error.message
    assert error.remedy == RUN_IT


def test_a_text_that_is_none_is_refused_before_the_lists_are_read_too(tmp_path):
    path = saved(trees(), tmp_path)
    path.write_bytes(path.read_bytes().replace(b"trees", b"tree\xff"))
    error = refusal_of(path, tmp_path)

    assert error.reason is Reason.InvalidModel
    assert "is not text in UTF-8" in error.message


def test_long_lists_of_an_operator_that_there_is_are_read(tmp_path):
    lists = helper.make_node("Constant", [], ["c"], value_floats=[1.0] * LARGE)
    model = model_of([lists, helper.make_node("Add", ["x", "c"], ["y"])], {"x": [LARGE]}, {"y": [LARGE]})
    path = saved(model, tmp_path)

    assert load_outline(path) is not None
    assert load_skeleton(path) == model
    assert inspected(path, tmp_path)["path"] == str(path)


@pytest.mark.parametrize("operator", ["MatMul", "Conv"])
def test_trees_behind_a_network_are_to_be_cut_off(operator, tmp_path):
    nodes = [helper.make_node(operator, ["x", "x"], ["h"]), forest(size=4)]
    model = model_of(nodes, {"x": [1, 1, 4, 4]}, {"p": [None, 2]}, domains=[ML])
    error = refusal_of(saved(model, tmp_path), tmp_path)

    assert error.remedy == "export the network alone, and do the rest before or after it"


def test_scaling_and_casts_around_trees_are_no_network(tmp_path):
    nodes = [
        helper.make_node("Cast", ["i"], ["x"], to=TensorProto.FLOAT),
        forest(size=4),
        helper.make_node("ZipMap", ["p"], ["z"], domain=ML, classlabels_strings=["a", "b"]),
    ]
    model = model_of(nodes, {"i": ([None, 4], TensorProto.INT64)}, {"p": [None, 2]}, domains=[ML])

    assert refusal_of(saved(model, tmp_path), tmp_path).remedy == RUN_IT
