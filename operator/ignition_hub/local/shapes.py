"""
The shapes an engine must serve, from numbers as people write them.
"""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.identity import BatchRange, Profile, ShapeRange
from ignition_hub.local.errors import wrong

Shape = Sequence[int]
Range = Shape | Sequence[Shape] | Mapping[str, Shape]
"""One shape; or smallest, usual and largest, in this order or by the names min, opt and max."""


def profiles_of(
    batch_size: int | Sequence[int] | None, max_sequence_length: int | None, shapes: Mapping[str, Range]
) -> tuple[Profile, ...]:
    """Return the one profile that shapes and shorthands ask for; none when nothing was asked."""
    if not shapes and batch_size is None and max_sequence_length is None:
        return ()
    ranges = {name: shape_range(name, written) for name, written in shapes.items()}
    length = max_sequence_length
    if length is not None and length < 1:
        raise wrong("max_sequence_length", length, "not a length", "give a number of at least 1")
    return (Profile(shapes=ranges, batch_size=batch_range(batch_size), max_sequence_length=length),)


def batch_range(written: int | Sequence[int] | None) -> BatchRange | None:
    """Return the batch sizes: up to N, tuned for N, when one number is given; else (min, opt, max)."""
    if written is None:
        return None
    sizes = (1, written, written) if isinstance(written, int) else tuple(written)
    whole = len(sizes) == 3 and all(isinstance(size, int) for size in sizes)
    if not whole or not 1 <= sizes[0] <= sizes[1] <= sizes[2]:
        raise wrong("batch_size", written, "not a batch size", "give N, or min, opt and max in rising order")
    return BatchRange(*sizes)


def shape_range(name: str, written: Range) -> ShapeRange:
    """Return the range of one input's shapes; RequestError when it is not one."""
    try:
        low, usual, high = (tuple(map(operator.index, shape)) for shape in _three(written))
    except (TypeError, ValueError, KeyError) as error:
        raise _not_shapes(name, written) from error
    if not len(low) == len(usual) == len(high):
        raise _not_shapes(name, written)
    if not all(0 <= least <= middle <= most for least, middle, most in zip(low, usual, high, strict=True)):
        raise _not_shapes(name, written)
    return ShapeRange(low, usual, high)


def _three(written: Range) -> Sequence[Any]:
    """Return smallest, usual and largest shape; one shape is all three."""
    if isinstance(written, Mapping):
        return [written[key] for key in ("min", "opt", "max")]
    return [written] * 3 if all(isinstance(size, int) for size in written) else list(written)


def _not_shapes(name: str, written: object) -> RequestError:
    remedy = "give one shape, or min, opt and max in rising order, as ([1, 64], [8, 64], [32, 64])"
    return wrong(f"shapes[{name!r}]", written, "not a range of shapes", remedy)
