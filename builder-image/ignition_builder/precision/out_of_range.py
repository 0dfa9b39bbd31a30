"""
Find the constants that a narrow type does not hold, and the integers made of them.

A cast gives whichever type its readers want, and would give infinity for them: a mask of integers is as far
from zero as one of floats.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx

from ignition_builder.checking.weights import is_external
from ignition_builder.precision.floats import WIDE, Narrow
from ignition_builder.precision.flow import Flow, Operation, ValueKey
from ignition_builder.precision.origins import contents_of

Proto = onnx.TensorProto
COUNTING = frozenset({"ArgMax", "ArgMin", "NonZero", "Shape", "Size"})
"""Operators whose integers say nothing of how large those are that they read."""
LARGEST = {
    Proto.UINT16: 2.0**16 - 1,
    Proto.INT32: 2.0**31,
    Proto.UINT32: 2.0**32,
    Proto.INT64: 2.0**63,
    Proto.UINT64: 2.0**64,
    Proto.FLOAT: (2 - 2**-23) * 2.0**127,
    Proto.DOUBLE: (2 - 2**-52) * 2.0**1023,
}
"""The largest magnitude of types that reach beyond fp16."""


def far_values(flow: Flow, narrow: Narrow) -> frozenset[str]:
    """
    Return the names of constants with finite values beyond ``narrow``, and of integers made of them.

    Weights in files are taken for such constants: they are not read.
    """
    waiting, far = [key for key, tensor in _constants(flow) if _is_far(tensor, narrow)], set[ValueKey]()
    readers = _readers(flow) if waiting else {}
    while waiting:
        key = waiting.pop()
        if key not in far:
            far.add(key)
            waiting += (made for made in readers.get(key, ()) if _is_large_integer(flow.kinds.get(made)))
    return frozenset(name for _, name in far)


def _readers(flow: Flow) -> dict[ValueKey, list[ValueKey]]:
    """Return for each value those that its numbers go into: the end of a slice is often as far as can be."""
    found: dict[ValueKey, list[ValueKey]] = defaultdict(list)
    for operation in flow.operations:
        if operation.operator not in COUNTING:
            for source in contents_of(operation):
                found[source] += [key for key in operation.outputs if key[1]]
    for key, sources in flow.meetings.items():
        for source in sources:
            found[source].append(key)
    return found


def _is_large_integer(kind: int | None) -> bool:
    return kind in LARGEST and kind not in WIDE


def _constants(flow: Flow) -> Iterator[tuple[ValueKey, Any]]:
    yield from flow.constants.items()
    for operation in flow.operations:
        if operation.operator == "Constant":
            yield from ((operation.outputs[0], tensor) for tensor in _held(operation))


def _held(operation: Operation) -> Iterator[Any]:
    for attribute in operation.node.attribute:
        if attribute.name == "value":
            yield attribute.t
        elif attribute.name in ("value_int", "value_ints"):
            yield onnx.numpy_helper.from_array(np.array([attribute.i, *attribute.ints]))


def _is_far(tensor: Any, narrow: Narrow) -> bool:
    if LARGEST.get(tensor.data_type, 0.0) <= narrow.largest:
        return False
    if is_external(tensor):
        return True
    values = np.abs(onnx.numpy_helper.to_array(tensor).astype(np.float64))
    return bool(values[np.isfinite(values)].max(initial=0) > narrow.largest)
