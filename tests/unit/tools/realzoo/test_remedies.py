"""No real model is told of a way that no test goes: each remedy on the page names the tests that do it."""

import ast
import re
from pathlib import Path

import pytest

from ignition_builder.verifying.accuracy import OutputComparison, Tolerance, check
from ignition_hub.engine.errors import RequestError
from realzoo.page import REFUSAL_HEAD, WHY, kind_of_remedy
from realzoo.remedies import NO_TEST, WAYS, applied_by, cell

ROOT = Path(__file__).resolve().parents[4]
PAGE = (ROOT / "docs" / "real-models.md").read_text(encoding="utf-8")


def rows():
    """Return the table of the page: reason, remedy, builds, models and tests of each kind."""
    _, table = PAGE.split(f"{WHY}\n{REFUSAL_HEAD}\n")
    lines = table.partition("\n\n")[0].splitlines()
    return [line.strip("| ").split(" | ") for line in lines]


def test_every_remedy_that_the_page_prints_is_applied_by_tests_that_it_names():
    assert len(rows()) > 10
    assert [remedy for _, remedy, _, _, named in rows() if named != cell(remedy) or named == NO_TEST] == []


@pytest.mark.parametrize("test", sorted(set(WAYS.values())))
def test_each_of_these_tests_is_there(test):
    path, name = test.split("::")
    written = ast.parse((ROOT / path).read_text(encoding="utf-8")).body
    assert name in {node.name for node in written if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize(
    "remedy", ["", "pray", "use a wider precision, or pray", "or a", "use a wider precision (or not)"]
)
def test_a_remedy_with_a_way_that_no_test_goes_stands_out(remedy):
    assert applied_by(remedy) == ()
    assert cell(remedy) == NO_TEST


def test_a_remedy_of_several_ways_names_the_test_of_each():
    found = applied_by(
        "use a wider precision, or a tolerance (atol … would let it pass) that the task allows"
    )
    assert [re.sub(r".*::test_(\w+?)(_that_\w+)?_builds.*", r"\1", test) for test in found] == [
        "a_wider_precision",
        "the_atol",
    ]


@pytest.mark.parametrize("atol", [1e-7, 0.5, 900, 1e5])
@pytest.mark.parametrize("share", [0.5, 0.99])
def test_whatever_number_a_check_prints_its_kind_is_known(atol, share):
    missed = OutputComparison(
        output="y",
        values=2,
        outside=1,
        max_absolute=atol,
        max_relative=1.0,
        telling=2,
        share=share,
        worst_candidate=atol,
    )
    with pytest.raises(RequestError) as caught:
        check([missed], Tolerance(0.0, 0.0), "the model")
    assert applied_by(kind_of_remedy(caught.value.remedy))
