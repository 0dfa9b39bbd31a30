"""A wrong pass of a real model is seen, whatever ends a build is an outcome, and the page counts both."""

import json
import sys
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from ignition_builder.verifying.answers import Answer, AnswerKind
from realmodels import Package
from realzoo import trial
from realzoo.answering import YES_OR_NO, answers_for
from realzoo.arithmetic import OWN, THE_CHECK, as_compiled
from realzoo.attempt import Watched
from realzoo.case import Case
from realzoo.exporter import exporter_of, kind_of
from realzoo.judging import Difference, differences_of, faults_of
from realzoo.outcome import Kept, Outcome
from realzoo.page import kind_of_remedy, page, row, without_remedy
from realzoo.processes import ended
from realzoo.samples import DRAWN, held_out, written
from smallmodels import model_of, saved

TIGHT = {"rtol": 0.0, "atol": 0.1}
SHARED = {"rtol": 0.0, "atol": 0.1, "quantile": 0.999}
CHOICE = Answer(AnswerKind.PROBABILITIES)


def faults(right, other, tolerance=TIGHT, answer=None):
    """Return what would make a pass of one output wrong."""
    wanted, got = np.asarray(right, np.float32), np.asarray(other, np.float32)
    answers = {"y": answer} if answer else {}
    return list(faults_of(differences_of([{"y": wanted}], [{"y": got}], tolerance, answers)))


def rows_of(classes, count=100):
    """Return ``count`` rows of five probabilities, the class of each as ``classes`` says."""
    rows = np.full((count, 5), 0.05)
    rows[np.arange(count), classes] = 0.8
    return rows


def test_a_model_that_says_the_same_has_no_faults():
    assert faults(np.ones((4, 8)), np.ones((4, 8)) + 0.15) == []


def test_an_output_without_axes_is_one_value():
    assert faults(np.float32(1.0), np.float32(1.1)) == []
    assert faults(np.float32(1.0), np.float32(np.nan))[0] == "output y: 1 values are lost"


def test_one_value_that_is_lost_is_one_too_many():
    right = np.ones(1000)
    for value in (np.nan, np.inf):
        other = right.copy()
        other[7] = value
        assert "1 values are lost" in faults(right, other, SHARED)[0]


def test_values_that_are_not_finite_in_the_model_either_are_no_fault():
    assert faults([np.nan, np.inf, 1.0], [np.nan, np.inf, 1.0]) == []


@pytest.mark.parametrize(("changed", "is_fault"), [(1, False), (2, True)])
def test_one_clear_answer_of_a_hundred_may_change_and_no_more(changed, is_fault):
    classes = np.zeros(100, int)
    others = classes.copy()
    others[:changed] = 3
    loose = {"rtol": 0.0, "atol": 10.0}
    found = faults(rows_of(classes), rows_of(others), loose, CHOICE)
    assert found == ([f"output y: {changed} of 100 clear answers changed"] if is_fault else [])


def test_an_answer_that_was_a_close_call_may_change():
    assert faults([[0.5, 0.48, 0.02]] * 9, [[0.48, 0.5, 0.02]] * 9, TIGHT, CHOICE) == []


@pytest.mark.parametrize(("out", "is_fault"), [(10, False), (11, True)])
def test_one_value_of_a_hundred_may_be_beyond_twice_the_tolerance(out, is_fault):
    right = np.full(1000, 10.0)
    other = right + 0.19
    other[:out] += 0.02
    assert bool(faults(right, other)) is is_fault


def test_values_near_zero_do_not_dilute_what_a_quantile_leaves_out():
    right, other = np.zeros(10_000), np.zeros(10_000)
    right[:50], other[:50] = 1.0, 1.0
    other[:5] = 0.7
    assert faults(right, other, TIGHT) == []
    assert faults(right, other, SHARED) == ["output y: 5 of 50 values are beyond twice the tolerance"]


def test_numbers_too_small_for_the_tolerance_are_judged_by_what_they_are_in_all():
    direction = np.random.default_rng(0).normal(0, 0.02, (4, 384))
    assert faults(direction, -direction) == ["output y: the relative RMS is 2"]
    assert faults(direction, -direction, TIGHT, YES_OR_NO) == []


def test_of_labels_none_is_nearly_another():
    right, other = np.arange(50), np.arange(50)
    other[:2] += 1
    found = list(faults_of(differences_of([{"y": right}], [{"y": other}], SHARED, {})))
    assert found[0] == "output y: 2 of 50 clear answers changed"


def test_a_sigmoid_that_goes_to_the_other_side_has_changed_its_answer():
    right = np.full((1, 60), 0.95)
    other = right.copy()
    other[0, :5] = 0.3
    assert faults(right, other, {"rtol": 0.0, "atol": 0.4}, YES_OR_NO) == []
    found = faults(right, other, {"rtol": 0.0, "atol": 0.1}, YES_OR_NO)
    assert found[0] == "output y: 5 of 60 clear answers changed"


def test_an_output_of_another_shape_is_lost():
    assert "6 values are lost" in faults(np.ones((2, 3)), np.ones((3, 2)))[0]


@pytest.mark.parametrize(
    ("more", "nearness"),
    [
        ({"rms": 0.2}, 0.8),
        ({"rms": 0.2, "clear": 200, "changed": 1}, 0.5),
        ({"beyond": 2}, 2.0),
        ({"lost": 1}, np.inf),
        ({"values": 0, "clear": 0, "changed": 0}, 0.0),
    ],
)
def test_how_near_a_pass_is_to_a_wrong_one_goes_by_the_nearest_rule(more, nearness):
    assert difference(**more).nearness == pytest.approx(nearness)
    assert bool(list(faults_of([difference(**more)]))) is (nearness > 1)


def test_the_page_names_the_passes_that_come_near():
    found = [outcome("b", outputs=(difference(rms=0.2),)), outcome("a", outputs=(difference(rms=0.1),))]
    assert "how much: b fp16 (80%).\n" in page([case("b"), case("a")], found)


def test_an_output_that_is_missing_is_lost():
    (found,) = differences_of([{"y": np.ones(3)}], [{"z": np.ones(3)}], TIGHT, {})
    assert (found.output, found.lost) == ("y", 3)


def test_the_similarity_of_embeddings_is_that_of_the_worst_row():
    right, other = np.eye(4, dtype=np.float32), np.eye(4, dtype=np.float32)
    other[2] = [0, 0, 0.6, 0.8]
    (found,) = differences_of([{"y": right}], [{"y": other}], TIGHT, {}, directions=True)
    assert found.cosine == pytest.approx(0.6)


def test_rows_that_sum_to_one_are_choices_whatever_made_them():
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": [2, 5]}, {"y": [2, 5]})
    choices = [{"y": rows_of([1, 2], 2).astype(np.float32)}]
    assert answers_for(model, {}, choices) == {"y": CHOICE}
    assert answers_for(model, {}, [{"y": np.float32([[0.2, 0.2]])}]) == {}


def test_what_a_sigmoid_made_says_yes_or_no_behind_a_reshape_too():
    nodes = [
        helper.make_node("Sigmoid", ["x"], ["h"]),
        helper.make_node("Flatten", ["h"], ["y"]),
        helper.make_node("Neg", ["h"], ["z"]),
    ]
    model = model_of(nodes, {"x": [2, 5]}, {"y": [2, 5], "z": [2, 5]})
    values = np.float32([[0.1, 0.3]])
    assert answers_for(model, {}, [{"y": values, "z": values}]) == {"y": YES_OR_NO}


def test_every_value_of_a_compiled_model_is_rounded_to_its_type(tmp_path):
    large = numpy_helper.from_array(np.float16([60000]), "large")
    nodes = [
        helper.make_node("Mul", ["x", "large"], ["h"]),
        helper.make_node("Div", ["h", "large"], ["y"]),
    ]
    half = TensorProto.FLOAT16
    model = model_of(nodes, {"x": ([1], half)}, {"y": ([1], half)}, weights=[large])
    (found,), by = as_compiled(saved(model, tmp_path), [{"x": np.float16([2])}])
    assert (found["y"][0], by) == (np.inf, OWN)


def cast(one, other, kind):
    return helper.make_node("Cast", [one], [other], to=kind)


def in_bf16():
    """Return a model that adds one three times to 256 in bf16, the last time in a branch."""
    kind = TensorProto.BFLOAT16
    one = helper.make_node("Constant", [], ["one"], value=helper.make_tensor("one", kind, [1], [1.0]))
    branch = [
        helper.make_node("Add", ["c", "one"], ["d"]),
        cast("d", "out", TensorProto.FLOAT),
    ]
    outputs = [helper.make_tensor_value_info("out", TensorProto.FLOAT, [1])]
    bodies = {name: helper.make_graph(branch, name, [], outputs) for name in ("then_branch", "else_branch")}
    yes = numpy_helper.from_array(np.array(True), "yes")
    nodes = [
        one,
        cast("x", "a", kind),
        helper.make_node("Add", ["a", "one"], ["b"]),
        helper.make_node("Add", ["b", "one"], ["c"]),
        helper.make_node("If", ["yes"], ["y"], **bodies),
    ]
    return model_of(nodes, {"x": [1]}, {"y": [1]}, weights=[yes])


def test_bf16_is_rounded_to_after_every_node_in_branches_too(tmp_path):
    (found,), by = as_compiled(saved(in_bf16(), tmp_path), [{"x": np.float32([256])}])
    assert (found["y"][0], by) == (256, OWN)


def test_a_model_in_double_is_computed_in_fp32_as_tensorrt_reads_it(tmp_path):
    nodes = [
        cast("x", "h", TensorProto.DOUBLE),
        helper.make_node("Add", ["h", "little"], ["s"]),
        helper.make_node("Sub", ["s", "h"], ["y"]),
    ]
    little = numpy_helper.from_array(np.float64([1e-9]), "little")
    model = model_of(nodes, {"x": [1]}, {"y": ([1], TensorProto.DOUBLE)}, weights=[little])
    (found,), by = as_compiled(saved(model, tmp_path), [{"x": np.float32([1])}])
    assert (found["y"][0], by) == (0, OWN)


def test_what_onnx_cannot_type_is_computed_as_the_check_does(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx.shape_inference, "infer_shapes", lambda model: model)
    monkeypatch.setattr("realzoo.arithmetic.outputs_of", lambda *_: ["the check's"])
    found, by = as_compiled(saved(in_bf16(), tmp_path), [{"x": np.float32([256])}])
    assert (found, by) == (["the check's"], THE_CHECK)


def test_the_two_exporters_of_pytorch_are_told_apart():
    model = model_of([helper.make_node("Relu", ["x"], ["y"])], {"x": [1]}, {"y": [1]})
    assert kind_of(exporter_of(model)) == "unnamed"
    model.producer_name, model.producer_version = "pytorch", "2.9.1"
    assert exporter_of(model) == "pytorch 2.9.1 (traced)"
    model.graph.node[0].metadata_props.add(key="pkg.torch.onnx.name_scopes", value="[]")
    assert kind_of(exporter_of(model)) == "pytorch (dynamo)"


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("print('well')", ""),
        ("raise ValueError('x is 7')", "ended with status 1: ValueError: x is 7"),
        ("import os; os.abort()", "ended by SIGABRT"),
        ("import time; time.sleep(60)", "not done in 0.5 s"),
    ],
)
def test_however_a_process_ends_is_an_answer(program, words, tmp_path):
    end = ended([sys.executable, "-c", program], tmp_path / "log", 0.5 if "sleep" in program else 60)
    assert end.words == words
    assert end.is_late == words.startswith("not done")


def test_the_memory_of_a_process_is_that_of_its_largest_child(tmp_path):
    inner = "x = bytearray(300 << 20)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', '{inner}'])"
    assert ended([sys.executable, "-c", outer], tmp_path / "log", 60).peak > 300 << 20


STEPS = """
import json, os, pathlib, sys, time
step, folder = sys.argv[1], pathlib.Path(sys.argv[-1])
if step == "realzoo.samples":
    (folder / "case.json").write_text(json.dumps({"exporter": "x", "opset": 9, "model": 5}))
elif step == "realzoo.attempt":
    {attempt}
    (folder / "built.json").write_text(json.dumps({"verdict": "passed", "compiled": "m.onnx"}))
else:
    sys.exit("no truth today")
"""


@pytest.fixture
def tried(monkeypatch, tmp_path):
    """Return what tries a model with a build that does ``attempt``."""

    def run(attempt):
        program = STEPS.replace("{attempt}", attempt)
        monkeypatch.setattr(trial, "PYTHON", (sys.executable, "-c", program))
        monkeypatch.setattr(trial, "SECONDS", 4.0 if "sleep" in attempt else 60.0)
        return trial.outcome_of("net", "fp16", tmp_path / "net")

    return run


@pytest.mark.parametrize(
    ("attempt", "verdict", "said"),
    [("os.abort()", "crashed", "ended by SIGABRT"), ("time.sleep(60)", "not in time", "not done in 4 s")],
)
def test_a_build_that_dies_or_hangs_is_an_outcome_and_its_log_stays(attempt, verdict, said, tried, tmp_path):
    found = tried(attempt)
    assert (found.verdict, found.message, found.exporter, found.opset) == (verdict, said, "x", 9)
    assert (tmp_path / "net" / "fp16" / "attempt.log").exists()


def test_a_comparison_that_dies_leaves_the_verdict_and_says_why_nothing_is_told(tried, tmp_path):
    found = tried("pass")
    assert (found.verdict, found.outputs, found.peak > 0) == ("passed", (), True)
    assert found.untold == "ended with status 1: no truth today"
    assert "- net fp16 was not compared: ended with status 1" in page([case("net")], [found])
    assert not (tmp_path / "net" / "fp16").exists()


def test_the_compiled_model_is_known_only_once_it_was_compiled():
    class Refusing:
        def run(self, task, watch, deadline):
            raise ValueError

    class Task:
        class prepared:  # noqa: N801
            path, converter = "fp16.onnx", {"path": "Converted"}

    watched = Watched(Refusing())
    with pytest.raises(ValueError):  # noqa: PT011
        watched.run(Task(), None, 0.0)
    assert watched.seen == {"compiled": "", "way": "Converted"}


def outcome(case="net", precision="fp16", verdict="passed", **more):
    return Outcome(
        case=case, precision=precision, exporter="tf2onnx 1.9", opset=13, model=1024, verdict=verdict, **more
    )


def difference(**more):
    return Difference(
        **{"output": "y", "values": 100, "beyond": 0, "lost": 0, "largest": 0.1, "rms": 0.0} | more
    )


def case(name):
    return Case(name, "a | b", Package("pkg", "1.0", ""), "m.onnx", {}, lambda *_: [])


def test_samples_are_written_apart_and_read_back_as_arrays_without_axes_too(tmp_path):
    def samples(_, count, seed):
        return [{"rate": np.array(float(seed)), "x": np.full((1, 2), index)} for index in range(count)]

    written(replace(case("net"), samples=samples), None, tmp_path)
    found = held_out(tmp_path)
    assert [sample["x"].tolist() for sample in found] == [[[index, index]] for index in range(4)]
    assert isinstance(found[0]["rate"], np.ndarray)
    seeds = {float(np.load(tmp_path / file)["rate"].flat[0]) for file in DRAWN}
    assert len(seeds) == len(DRAWN)


def test_what_is_kept_is_read_back_and_replaced(tmp_path):
    kept = Kept(tmp_path / "build" / "kept.json")
    kept.keep(outcome(outputs=(difference(cosine=0.5),)))
    kept.keep(outcome(seconds=2.0))
    kept.keep(outcome(precision="int8", verdict="refused"))
    again = Kept(tmp_path / "build" / "kept.json")
    assert again.outcomes == [outcome(seconds=2.0), outcome(precision="int8", verdict="refused")]
    assert ("net", "int8") in again
    assert ("net", "fp32") not in again


def test_outcomes_come_back_with_their_figures():
    found = outcome(outputs=(difference(lost=3),))
    assert Outcome.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_only_a_pass_can_be_a_wrong_one():
    bad = (difference(lost=1),)
    assert outcome(outputs=bad).is_wrong_pass
    assert not outcome(verdict="held back", outputs=bad).is_wrong_pass
    assert not outcome(outputs=(difference(),)).is_wrong_pass


def test_the_page_counts_and_shows_wrong_passes_crashes_and_refusals_without_a_remedy():
    found = [
        outcome("b", outputs=(difference(lost=1),)),
        outcome("b", "fp32", "nothing to compare"),
        outcome("a", verdict="crashed", message="ended by SIGSEGV"),
        outcome("a", "int8", "refused", reason="BuildFailed", message="no"),
        outcome("gone", verdict="refused", reason="BuildFailed", message="no", remedy="cast node x to 3"),
    ]
    text = page([case("b"), case("a"), case("gone")], found)
    for words in (
        "| **wrong passes** | 1 |",
        "| crashes, tracebacks | 1 |",
        "| engines | 2 |",
        "| builds | 5 |",
    ):
        assert words in text
    assert "| refused or held back without a remedy | 1 |" in text
    assert "- b fp16: output y: 1 values are lost" in text
    assert "| BuildFailed | **no remedy** | 1 | a |" in text
    assert "| BuildFailed | cast node … to … | 1 | gone |" in text
    assert "| a | a \\| b | pkg 1.0 | tf2onnx 1.9 | 13 |" in text
    places = [
        text.index(f"| {name} |") for name in ("a | fp16", "a | int8", "b | fp32", "b | fp16", "gone | fp16")
    ]
    assert places == sorted(places)


def test_a_row_has_the_worst_figure_of_all_outputs():
    outputs = (difference(largest=0.5, clear=10, changed=1), difference(rms=0.25, clear=4, changed=0))
    assert "| **passed** | 0.5 | 0.25 | 0.9 |  | 0.0 |" in row(outcome(outputs=outputs))


def test_nobody_is_told_no_without_what_would_work():
    assert without_remedy(outcome(verdict="refused"))
    assert without_remedy(outcome(verdict="held back"))
    assert not without_remedy(outcome(verdict="refused", remedy="do this"))
    assert not without_remedy(outcome())


def test_remedies_of_one_kind_are_counted_as_one():
    one = kind_of_remedy("a tolerance (atol 0.052 would let it pass) of node /a/Conv_1 (Conv)")
    assert one == kind_of_remedy("a tolerance (atol 1.3e-05 would let it pass) of node /b/Conv_77 (Conv)")
