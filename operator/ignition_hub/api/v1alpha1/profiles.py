"""``spec.profiles`` of a TensorRTEngine: which shapes an engine must serve, written out or by shorthand."""

from typing import Annotated

from pydantic import Field

from ignition_hub.api.schema import ATOMIC, Part, rule, ruled, rules

MAX_DIMENSIONS = 8  # TensorRT's own limit on the rank of a tensor

Dimensions = Annotated[
    tuple[Annotated[int, Field(ge=0, le=2**31 - 1)], ...],
    Field(max_length=MAX_DIMENSIONS, json_schema_extra=ATOMIC),
]


class ShapeRangeSpec(Part):
    """The shapes one input may have at run time. A scalar has no dimensions: []."""

    model_config = rules(
        rule(
            "size(self.min) == size(self.opt) && size(self.opt) == size(self.max)",
            "min, opt and max must have the same number of dimensions",
        ),
        rule(
            "size(self.min) != size(self.opt) || size(self.opt) != size(self.max) || "
            "[0, 1, 2, 3, 4, 5, 6, 7].all(i, i >= size(self.min) || "
            "(self.min[i] <= self.opt[i] && self.opt[i] <= self.max[i]))",
            "every dimension must satisfy min <= opt <= max",
        ),
    )

    min: Dimensions
    """The smallest shape. Example: [1, 3, 112, 112]"""
    opt: Dimensions
    """The shape the engine is tuned for. Example: [32, 3, 112, 112]"""
    max: Dimensions
    """The largest shape; it decides how much memory the engine needs. Example: [64, 3, 112, 112]"""


Elements = Annotated[
    tuple[Annotated[int, Field(ge=-(2**31), le=2**31 - 1)], ...],
    Field(max_length=MAX_DIMENSIONS, json_schema_extra=ATOMIC),
]


class ValueRangeSpec(Part):
    """The values one shape tensor may hold at run time, element by element."""

    model_config = ShapeRangeSpec.model_config

    min: Elements
    """The smallest value of each element. Example: [1, 64]"""
    opt: Elements
    """The values the engine is tuned for. Example: [1, 128]"""
    max: Elements
    """The largest value of each element. Example: [1, 512]"""


class BatchSizeSpec(Part):
    """Number of samples in one call."""

    model_config = rules(
        rule("self.min <= self.opt && self.opt <= self.max", "batchSize must satisfy min <= opt <= max")
    )

    min: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """The smallest batch. Example: 1"""
    opt: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """The batch the engine is tuned for. Example: 8"""
    max: Annotated[int, Field(ge=1, le=2**31 - 1)]
    """The largest batch. Example: 32"""


INPUT_NAMES = (
    rule("self.all(name, size(name) <= 253)", "the name of an input has at most 253 characters"),
    rule("!self.exists(name, name.matches('[[:cntrl:]]'))", "the name of an input has no control characters"),
)

PROFILES_BYTES = 56 * 1024
"""
The most that the inputs of all profiles may take in a build request.

With the rest of a spec at its largest a request has at most 128 KiB, half of what Kubernetes takes as the
annotations of one object: see ``tests/unit/controller/policy/test_build_job.py``.
"""


def _bytes_in_cel(ranges: str) -> str:
    # As JSON at most: each byte of a name escaped, three lists of numbers of eleven digits, their keys.
    weight = f"size(bytes(n)) * 2 + size({ranges}[n].min) * 36 + 32"
    return f"(has({ranges}) ? {ranges}.map(n, {weight}).sum() : 0)"


FITS_A_REQUEST = rule(
    f"self.map(p, {_bytes_in_cel('p.shapes')} + {_bytes_in_cel('p.values')}).sum() <= {PROFILES_BYTES}",
    "shapes and values of all profiles together are too large for a build request (names and numbers take "
    f"more than {PROFILES_BYTES // 1024} KiB): use fewer profiles, leave out inputs of fixed shape, or use "
    "batchSize and maxSequenceLength",
)


class ProfileSpec(Part):
    """
    One optimization profile: a range of shapes for every dynamic input, written out, by shorthand, or both.
    """

    model_config = rules(
        rule(
            "has(self.shapes) || has(self.values) || has(self.batchSize) || has(self.maxSequenceLength)",
            "a profile needs shapes, values, batchSize or maxSequenceLength",
        )
    )

    shapes: Annotated[
        dict[str, ShapeRangeSpec],
        Field(default_factory=dict, min_length=1, max_length=64, json_schema_extra=ruled(*INPUT_NAMES)),
    ]
    """
    Shapes by the name of the model's input. Inputs of fixed shape may be left out. Default: what the
    shorthands say.
    """
    values: Annotated[
        dict[str, ValueRangeSpec],
        Field(default_factory=dict, min_length=1, max_length=64, json_schema_extra=ruled(*INPUT_NAMES)),
    ]
    """Values of inputs that TensorRT reads as shapes (shape tensors), by name. Default: none."""
    batch_size: BatchSizeSpec | None = None
    """
    The batch, wherever a free dimension with such a name stands; without names, the first dimension of every
    input. `shapes` win over it. Default: none. Example: {min: 1, opt: 8, max: 32}
    """
    max_sequence_length: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    """
    The largest value of every free dimension that is a length, and of those whose names say nothing: each may
    be 1 to this and is tuned for this. It opens no height or width. `shapes` win over it. Default: none.
    Example: 512
    """
