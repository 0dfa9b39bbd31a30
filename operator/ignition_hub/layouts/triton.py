"""
A model of a Triton repository: ``config.pbtxt`` and ``1/model.plan``, in the folder of the engine's alias.

The folder of the engines is the repository: each of its folders is a model, with the alias as its name. What
Triton takes was tried on its server (2.51.0); what its TensorRT backend asks for is read in its source.
"""

from collections.abc import Iterator, Mapping

from ignition_hub.layouts.errors import PLAIN_REMEDY, LayoutRefused
from ignition_hub.layouts.files import LayoutFile
from ignition_hub.layouts.served import FREE, ServedEngine, ServedTensor
from ignition_hub.layouts.text_format import Message, Word, text_of

CONFIG_FILE = "config.pbtxt"
PLAN_FILE = "1/model.plan"
BACKEND = "tensorrt"

TYPES: Mapping[str, str] = {
    "float": "TYPE_FP32",
    "float16": "TYPE_FP16",
    "bfloat16": "TYPE_BF16",
    "int8": "TYPE_INT8",
    "uint8": "TYPE_UINT8",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "bool": "TYPE_BOOL",
}
"""What Triton's TensorRT backend calls the types of an engine, by ONNX's names; it knows no others."""


def triton_files(engine: ServedEngine) -> tuple[LayoutFile, ...]:
    """Return the files of one model, the plan last; LayoutRefused where Triton cannot serve the engine."""
    return (LayoutFile(CONFIG_FILE, text_of(config_of(engine))), LayoutFile(PLAN_FILE))


def config_of(engine: ServedEngine) -> Message:
    """Return the model's configuration; LayoutRefused names the input or output that Triton cannot serve."""
    by_value = {name for profile in engine.profiles for name in profile.values}
    for tensor in engine.tensors:
        require_served(tensor, is_shape_tensor=tensor.name in by_value)
    batch = engine.largest_batch
    return (
        ("name", engine.alias),
        # Without it Triton looks for a backend by the files, and a hidden folder hides them.
        ("backend", BACKEND),
        ("max_batch_size", batch),
        *(("input", tensor_config(tensor, batch)) for tensor in engine.inputs),
        *(("output", tensor_config(tensor, batch)) for tensor in engine.outputs),
        *more_profiles(engine),
        # Requests that wait already are put together; without a delay none waits for another.
        *((("dynamic_batching", ()),) if batch > 1 else ()),
    )


def require_served(tensor: ServedTensor, *, is_shape_tensor: bool) -> None:
    """Raise LayoutRefused for an input or output that has no form in Triton's configuration."""
    if tensor.dtype not in TYPES:
        raise _refused(tensor, f"has the type {tensor.dtype:.40}, and Triton serves {', '.join(TYPES)}")
    if tensor.shape is None:
        raise _refused(tensor, "has a number of dimensions that is known only when it runs")
    if is_shape_tensor:
        raise _refused(tensor, "is a shape tensor: the engine computes shapes from what it holds")
    if not tensor.shape:
        raise _refused(tensor, "is a scalar, without a dimension")
    if wrong := [size for size in tensor.shape if size < 1 and size != FREE]:
        raise _refused(tensor, f"has a dimension of size {wrong[0]}, and Triton takes sizes from 1 on")


def tensor_config(tensor: ServedTensor, batch: int) -> Message:
    """Return one input or output; its dimensions are without the batch where there is one."""
    dims = (tensor.shape or ())[1 if batch else 0 :]
    return (
        ("name", tensor.name),
        ("data_type", Word(TYPES[tensor.dtype])),
        *(("dims", size) for size in dims or (1,)),
        # A batch of scalars: each is given as a list of one.
        *(() if dims else (("reshape", ()),)),
    )


def more_profiles(engine: ServedEngine) -> Iterator[tuple[str, Message]]:
    """Name all profiles where there are several; Triton uses the first unless it is told of more."""
    if len(engine.profiles) > 1:
        yield "instance_group", tuple(("profile", str(index)) for index in range(len(engine.profiles)))


def _refused(tensor: ServedTensor, problem: str) -> LayoutRefused:
    return LayoutRefused(f"Triton cannot serve the engine: {tensor.name!r:.80} {problem}", PLAIN_REMEDY)
