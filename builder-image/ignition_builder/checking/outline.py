"""
Read what a model is made of and nothing that is long: neither weights nor the lists of numbers in nodes.

A forest of trees is one node with lists of millions of numbers, which take ten times their size to parse.
That no TensorRT has such a node can be told from its name.
"""

import mmap
from pathlib import Path
from typing import Any

from ignition_builder.checking.skeleton import LARGE, load_less
from ignition_hub.engine.protobuf import BYTES, Field, fields_of

_GRAPH_NODE = 1
_NODE_ATTRIBUTE = 5
_ATTRIBUTE_LISTS = frozenset({7, 8, 9})
"""An attribute's fields of many floats, integers and texts."""
_ATTRIBUTE_WORDS = frozenset({1, 13, 20, 21})
"""An attribute's fields that are about it: name, description, type, and the one it stands for."""


def load_outline(path: Path) -> Any | None:
    """
    Return the skeleton of the model in ``path`` without the long lists in its nodes; None if there are none.

    Raises RequestError (InvalidModel) as ``load_skeleton`` does.
    """
    left_out: list[Field] = []

    def node(data: mmap.mmap, node: Field, _: str) -> bytes:
        fields = list(fields_of(data, node.value, node.end))
        long = [field for field in fields if _is_long_list(data, field)]
        left_out.extend(long)
        return b"".join(data[field.start : field.end] for field in fields if field not in long)

    outline = load_less(path, {_GRAPH_NODE: node})
    return outline if left_out else None


def _is_long_list(data: mmap.mmap, field: Field) -> bool:
    if field.number != _NODE_ATTRIBUTE or field.wire != BYTES or field.end - field.value < LARGE:
        return False
    numbers = (inner.number for inner in fields_of(data, field.value, field.end))
    return next((number for number in numbers if number not in _ATTRIBUTE_WORDS), 0) in _ATTRIBUTE_LISTS
