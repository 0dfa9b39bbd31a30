"""What the page of models says is what the builder does; and broken models end with a reason."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo.cases import NETWORKS, all_cases
from zoo.page import FUZZ_END, FUZZ_START, PAGE, Expected, expected, fuzz_part, page, words_of
from zoo.trial import BUILT, REFUSED, Outcome

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")

ROOT = Path(__file__).resolve().parents[2]


def zoo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own: it forks, and pytest has threads."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'tests/tools'}{os.pathsep}{ROOT / 'tests/support'}"}
    return subprocess.run(
        [sys.executable, "-m", "zoo", *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.timeout(600)
def test_a_sample_of_models_becomes_what_the_page_says():
    done = zoo("check", "--count", "60", "--seed", "1")

    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.timeout(600)
def test_public_networks_are_built():
    done = zoo("check", "squeezenet", "bvlc_alexnet", "zfnet512", "vgg19", "resnet50")

    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.timeout(600)
def test_five_hundred_broken_files_and_random_graphs_are_inspected_without_a_crash():
    done = zoo("fuzz", "--count", "500", "--seed", "11", "--inspect-only")

    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


@pytest.mark.timeout(600)
def test_broken_files_and_random_graphs_end_with_a_reason():
    done = zoo("fuzz", "--count", "30", "--seed", "12", "--no-page")

    assert done.returncode == 0, done.stdout + done.stderr[-2000:]


def test_the_page_names_only_models_there_are_and_all_nine_networks_are_built():
    text = PAGE.read_text()
    told = expected(text)
    names = {case.name for case in all_cases()}

    assert told.keys() <= names
    assert sum(case.collection == NETWORKS for case in all_cases()) == 9
    assert not [case.name for case in all_cases() if case.collection == NETWORKS and case.name in told]
    assert "| crashed, without a type, or silent | 0 |" in text
    assert fuzz_part(text) in text


def outcome(name: str, **facts) -> Outcome:
    return Outcome(name, **{"state": BUILT, "seconds": 1.0, "size": 2048, **facts})


def test_a_page_says_back_what_it_was_written_from():
    cases = [case for case in all_cases() if case.operator in ("Abs", "Det")][:3]
    refused = {
        "state": REFUSED,
        "reason": "UnsupportedOperator",
        "message": "node 0 (Det): “no <importer>”: do",
    }
    found = [
        outcome(cases[0].name, **refused),
        outcome(cases[1].name, remedy="its values given"),
        outcome(cases[2].name),
    ]
    by_name = {item.name: item for item in found}
    text = page("versions", cases, by_name, {}, f"{FUZZ_START}\n{FUZZ_END}\n")

    assert expected(text) == {
        cases[0].name: Expected(REFUSED, "UnsupportedOperator"),
        cases[1].name: Expected(BUILT),
    }
    assert "| built | 2 |" in text


def test_refusals_are_counted_without_the_names_of_one_model():
    one = outcome(
        "a", state=REFUSED, message="TensorRT-RTX 1.7.1.116 cannot express node 3 (Det): “false”: do"
    )
    other = outcome("b", state=REFUSED, message="TensorRT-RTX 1.8.0.1 cannot express node x_1 (Det): “false”")

    assert words_of(one) == words_of(other) == "“false”"
