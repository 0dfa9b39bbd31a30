"""
ConvTranspose that is told how large its output is: write down what is cut off for that, as ONNX defines it.

NVIDIA's parser cuts an odd number off at the other end, so that everything is one place further on, and
beside ``auto_pad`` it does not read ``output_shape``: both without a word (run: RTX 1.7.1, beside onnxruntime
1.31.1, which cuts as ONNX says). ``pads`` it reads as everybody does.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from onnx import helper

from ignition_builder.checking.checker_exceptions import ONNX_DOMAINS
from ignition_builder.checking.graphs import called, every_graph
from ignition_builder.checking.squeezes import Sizes, sizes_at_ends, sizes_in
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import Profile

OPERATOR, OUTPUT_SHAPE = "ConvTranspose", "output_shape"
REMEDY = "export the model with pads and output_padding instead of output_shape"


def cut_as_defined(model: Any, profiles: Sequence[Profile]) -> bool:
    """
    Give each such node of ``model`` its ``pads``; tell whether there was any.

    ``profiles`` are resolved. Raises RequestError (UnsupportedOperator) where the sizes that a node reads
    are not known or not the same in all of them, and where one is cut off and another added to.
    """
    found = [node for graph in every_graph(model) for node in graph.node if _is_ours(node)]
    ends = list(sizes_at_ends(model, profiles)) if found else []
    for node in found:
        _cut(node, ends or [sizes_in(model)])
    return bool(found)


def _is_ours(node: Any) -> bool:
    is_known = node.domain in ONNX_DOMAINS and node.op_type == OPERATOR
    return is_known and any(item.name == OUTPUT_SHAPE for item in node.attribute)


def _cut(node: Any, ends: Sequence[Sizes]) -> None:
    given = {item.name: helper.get_attribute_value(item) for item in node.attribute}
    sizes, kernel = (_sizes(node, place, ends) for place in (0, 1))
    if len(given[OUTPUT_SHAPE]) != len(sizes):
        raise _refusal(node, f"reads {len(sizes)} sizes beside batch and channels")
    cut = [_cut_off(given, axis, size, kernel[axis]) for axis, size in enumerate(sizes)]
    if min(cut) < 0:
        _add(node, cut, given[OUTPUT_SHAPE])
        return
    smaller, larger = [count // 2 for count in cut], [count - count // 2 for count in cut]
    pads = smaller + larger if given.get("auto_pad") == b"SAME_UPPER" else larger + smaller
    _leave_out(node, OUTPUT_SHAPE, "auto_pad", "pads")
    node.attribute.append(helper.make_attribute("pads", pads))


def _add(node: Any, cut: Sequence[int], wanted: Sequence[int]) -> None:
    """Leave it to the parser to add places, which it does as onnxruntime does, beside no ``auto_pad``."""
    if any(count > 0 and count % 2 for count in cut):
        raise _refusal(node, f"makes less than the {list(wanted)} that it is to give")
    _leave_out(node, "auto_pad")


def _leave_out(node: Any, *names: str) -> None:
    kept = [item for item in node.attribute if item.name not in names]
    del node.attribute[:]
    node.attribute.extend(kept)


def _sizes(node: Any, place: int, ends: Sequence[Sizes]) -> list[int]:
    """Return the sizes of an input, without batch and channels."""
    found = [list(sizes.get(node.input[place], [None] * 3))[2:] for sizes in ends]
    known = [size for size in found[0] if size is not None]
    if len(known) < len(found[0]) or any(other != found[0] for other in found):
        raise _refusal(node, "reads sizes that are not known before the engine runs")
    return known


def _cut_off(given: Mapping[str, Any], axis: int, size: int, kernel: int) -> int:
    def of(name: str, default: int) -> int:
        return int(given[name][axis]) if name in given else default

    made = of("strides", 1) * (size - 1) + of("output_padding", 0) + (kernel - 1) * of("dilations", 1) + 1
    return made - int(given[OUTPUT_SHAPE][axis])


def _refusal(node: Any, why: str) -> RequestError:
    return RequestError(
        Reason.UnsupportedOperator,
        f"{called(node)} has {OUTPUT_SHAPE}, of which TensorRT cuts off another end than ONNX, and {why}",
        REMEDY,
    )
