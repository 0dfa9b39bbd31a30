"""JSON as the API server takes it."""

import json

import pytest

from ignition_hub.engine.state import State
from ignition_hub.kube.documents import document_of, text_of


@pytest.mark.parametrize(
    "document",
    [
        {"a": [1, 2.5, True, None, "ü"], "b": {}},
        {"state": State.READY},
        {State.READY: 1},
        {"targets": ({"name": "a"},)},
        {"phase": "half a pair: \ud800"},
    ],
    ids=["plain", "word", "word as key", "tuple", "lone surrogate"],
)
def test_what_is_written_says_the_same_as_the_standard_librarys(document: object) -> None:
    assert json.loads(text_of(document)) == json.loads(json.dumps(document))


def test_what_is_read_says_what_the_text_says() -> None:
    assert document_of(b'{"a": [1, 2.5, true, null, "\xc3\xbc"]}') == {"a": [1, 2.5, True, None, "ü"]}


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"<html>"])
def test_what_is_no_json_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        document_of(text)
