"""
Give the values of a model plain names for as long as a tool works on it that makes up names.

onnxruntime's quantizer calls the scale of ``w`` ``w_scale`` and a copy of ``b`` ``b0``, and does not look
whether the model has a value of that name: a node then reads another one, and every checker is content (run:
onnxruntime 1.31.1).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx

from ignition_builder.checking.inspection import graphs_of

_PLAIN = re.compile(r"v\d+_")
"""What ends in its only underscore is no beginning of another."""


def plain_copy(path: Path, copy: Path) -> dict[str, str]:
    """
    Write the model in ``path`` with plain names into ``copy``, in the same folder; return the model's own
    names by the plain ones.
    """
    model = onnx.load(path, load_external_data=False)
    plain = {name: f"v{number}_" for number, name in enumerate(dict.fromkeys(_names_in(model)))}
    _rename(model, lambda name: plain.get(name, name))
    copy.write_bytes(model.SerializeToString())
    return {made: name for name, made in plain.items()}


def give_names_back(path: Path, own: Mapping[str, str]) -> None:
    """Give the model in ``path`` its own names again; what was made of them is called by them, if free."""
    model = onnx.load(path, load_external_data=False)
    given, taken = dict(own), set(own.values())
    for name in dict.fromkeys(_names_in(model)):
        if name not in given:
            given[name] = _free(_PLAIN.sub(lambda found: own.get(found[0], found[0]), name, count=1), taken)
    _rename(model, lambda name: given.get(name, name))
    path.write_bytes(model.SerializeToString())


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name


def _names_in(model: Any) -> Iterator[str]:
    for graph in graphs_of(model.graph):
        for value in (*graph.input, *graph.initializer, *graph.output):
            yield value.name
        for node in graph.node:
            yield from filter(None, (*node.input, *node.output))


def _rename(model: Any, renamed: Callable[[str], str]) -> None:
    for graph in graphs_of(model.graph):
        for value in (*graph.input, *graph.initializer, *graph.output, *graph.value_info):
            value.name = renamed(value.name)
        for node in graph.node:
            node.input[:] = [renamed(name) for name in node.input]
            node.output[:] = [renamed(name) for name in node.output]
