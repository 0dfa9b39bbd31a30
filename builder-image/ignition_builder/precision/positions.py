"""
Find what a narrow model must still compute in its wide type: positions, counts and time steps.

They are integers that became floats, or inputs that become angles. They are computed wide until they meet
data, which is narrow whatever it meets.
"""

from collections.abc import Iterator, Mapping

from ignition_builder.precision.flow import Flow, Operation, ValueKey
from ignition_builder.precision.origins import ARITHMETIC, STEPPING, Origin, Origins, contents_of

TURNING = frozenset({"Sin", "Cos", "Tan"})
"""Operators whose result says nothing of how large a number was, only where in a turn it lies."""
BOUNDED = frozenset({"Sin", "Cos"})
PICKING = frozenset({"ArgMax", "ArgMin", "NonZero", "TopK", "Unique"})
"""Operators that give places of numbers: a number that is rounded has another place."""
PLACING: Mapping[str, tuple[int, ...]] = {
    "MaxRoiPool": (1,),
    "NonMaxSuppression": (3, 4),
    "Resize": (1, 2),
    "RoiAlign": (1,),
    "Upsample": (1,),
}
"""Inputs that say where and how many while the rest of the node is data: scales, regions, bounds."""
_COMPARING = frozenset({"Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"})


class Positions:
    """
    What is kept wide of a model, whose values ``flow`` holds.

    ``wide`` names the outputs of every node that computes in the wide type; ``bounded`` those of them that
    every narrow type holds.
    """

    def __init__(self, flow: Flow) -> None:
        self.wide: set[str] = set()
        self.bounded: set[str] = set()
        origins = Origins(flow)
        seeds = [operation for operation in flow.operations if _is_exact(operation, origins)]
        placing = [key for operation in flow.operations for key in _placing(operation)]
        for operation in _with_sources(seeds, placing, flow, origins):
            names = [name for _, name in operation.outputs if name]
            self.wide.update(names)
            if operation.operator in BOUNDED:
                self.bounded.update(names)


def _is_exact(operation: Operation, origins: Origins) -> bool:
    """Whether a node would make the rounding of what it reads larger, and reads no data."""
    contents = contents_of(operation)
    found = origins.of(contents)
    if found >= Origin.DATA or not any(origins.is_float(key) for key in contents):
        return False
    if operation.operator in TURNING | STEPPING | PICKING or _makes_integers(operation, origins):
        return True
    counts = any(origins[key] == Origin.WHOLE for key in contents)
    if operation.operator in _COMPARING:
        return counts or found == Origin.FIXED
    return operation.operator in ARITHMETIC and origins[operation.outputs[0]] == Origin.WHOLE


def _placing(operation: Operation) -> Iterator[ValueKey]:
    for place in PLACING.get(operation.operator, ()):
        key = operation.inputs[place] if place < len(operation.inputs) else None
        if key is not None:
            yield key


def _makes_integers(operation: Operation, origins: Origins) -> bool:
    return operation.operator == "Cast" and not origins.is_float(operation.outputs[0])


def _with_sources(
    seeds: list[Operation], placing: list[ValueKey], flow: Flow, origins: Origins
) -> Iterator[Operation]:
    """Yield the seeds, and every node that makes what they read, or ``placing``, as far as it is no data."""
    makers = flow.makers()
    waiting, seen = (
        [*placing, *(key for operation in seeds for key in contents_of(operation))],
        set[ValueKey](),
    )
    yield from seeds
    while waiting:
        key = waiting.pop()
        if key in seen or origins[key] >= Origin.DATA or not origins.is_float(key):
            continue
        seen.add(key)
        if key in flow.meetings:
            waiting += flow.meetings[key]
        elif key in makers:
            yield makers[key]
            waiting += contents_of(makers[key])
