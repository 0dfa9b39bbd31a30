"""Equal values have equal bytes, whoever wrote them."""

import json
import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ignition_hub.engine.canonical import canonical_json, sha256_hex
from ignition_hub.engine.errors import ContractError

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_reading_it_back_gives_the_same_bytes(value):
    once = canonical_json(value)

    assert canonical_json(json.loads(once)) == once


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_the_order_of_keys_does_not_matter(value):
    backwards = dict(reversed(value.items()))

    assert canonical_json(backwards) == canonical_json(value)


def test_there_are_no_blanks_and_text_is_utf8():
    assert canonical_json({"b": [1, True], "ä": None}) == '{"b":[1,true],"ä":null}'.encode()


@pytest.mark.parametrize(("one", "other"), [(2.0, 2), (-0.0, 0), (1e3, 1000), ((1, 2), [1, 2])])
def test_one_number_or_list_has_one_spelling(one, other):
    assert canonical_json({"x": one}) == canonical_json({"x": other})


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (math.nan, "value: nan"),
        ({"a": [0, math.inf]}, r"value\.a\[1\]: inf"),
        ({1: 2}, "the key 1 is not a string"),
        ({"a": b"x"}, r"value\.a: bytes is not a JSON type"),
        ({"a": {1, 2}}, r"value\.a: set"),
        ("\ud800", "lone surrogate"),
    ],
)
def test_what_json_cannot_hold_is_refused_by_its_path(value, named):
    with pytest.raises(ContractError, match=named):
        canonical_json(value)


def nested(depth, key):
    return {key: nested(depth - 1, key)} if depth else {"x": math.nan}


def test_a_document_may_be_nested_100_levels_wherever_it_is_read():
    assert canonical_json(json.loads("[" * 100 + "]" * 100))
    for depth in (101, 900):
        with pytest.raises(ContractError, match="nested too deeply: nest at most 100 levels"):
            canonical_json(json.loads("[" * depth + "]" * depth))


def test_the_place_of_what_is_wrong_is_written_down_once_and_is_short():
    document = nested(90, "k" * 50_000)
    tracemalloc.start()

    with pytest.raises(ContractError, match="nan is not a JSON number") as refused:
        canonical_json(document)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
    assert len(str(refused.value)) < 1024


def test_true_is_not_one():
    assert canonical_json(True) != canonical_json(1)


def test_a_digest_is_lower_case_hex():
    assert sha256_hex(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
