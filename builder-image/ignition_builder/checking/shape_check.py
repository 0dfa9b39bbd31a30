"""
Do the usual shapes of a profile go through the model together? Asked of ONNX before TensorRT is started.

TensorRT refuses usual shapes that meet in a node and do not go together (“kOPT values for profile 0 violate
shape constraints: … 16 != 32”, measured on RTX 1.7.1) and names no input; this names them all. Of smallest
and largest ones it only warns, late in the build (``compiling.promised``).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import onnx

from ignition_builder.checking.inference import finding_in
from ignition_builder.checking.signature import misfit
from ignition_hub.engine.identity import Profile


def check_fit(model: Any, profiles: Sequence[Profile], *, plugins: bool = False) -> None:
    """
    Raise RequestError (InvalidProfile) naming the first node that the usual shapes do not fit.

    ``model`` has passed ``check_inference``, so what is found now is the shapes'; ``profiles`` are resolved.
    """
    for index, profile in enumerate(profiles):
        usual = {name: wanted.opt for name, wanted in profile.shapes.items()}
        finding = finding_in(with_sizes(model, usual), plugins=plugins) if usual else None
        if finding:
            shapes = ", ".join(f"{name} {list(sizes)}" for name, sizes in usual.items())
            raise misfit(
                f"profiles[{index}]: with the usual shapes {shapes}, {finding}",
                f"give shapes that go together in {', '.join(f'shapes.{name}' for name in usual)}",
            )


def with_sizes(model: Any, usual: Mapping[str, Sequence[int]]) -> Any:
    """Return a copy whose inputs have these shapes, and nothing else a shape that was written down."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    for value in copy.graph.output:
        value.type.tensor_type.ClearField("shape")
    for value in copy.graph.input:
        if value.name in usual:
            value.type.tensor_type.ClearField("shape")
            for size in usual[value.name]:
                value.type.tensor_type.shape.dim.add(dim_value=size)
    return copy
