"""
What an engine's inputs are, and what a caller gives for them, in one spelling of types.

ONNX says ``float``, TensorRT ``FLOAT`` and ``HALF``, arrays ``float32`` and ``torch.float16``: the checks of
``inputs`` compare numpy's names.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.identity import Profile, ShapeRange
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.type_names import type_word

FREE = -1
"""The size of a dimension that the profiles leave open, as TensorRT writes it."""

_NUMPY_NAMES = {
    "float": "float32",
    "double": "float64",
    "float8e4m3fn": "float8_e4m3fn",
    "float4e2m1": "float4_e2m1fn",
}


@dataclass(frozen=True, slots=True)
class Tensor:
    """One input of an engine; ``shape`` has FREE where a profile decides, None when the rank is unknown."""

    name: str
    dtype: str
    shape: tuple[int, ...] | None

    def __str__(self) -> str:
        return f"{self.name} {self.dtype} {spelt(self.shape)}"


@dataclass(frozen=True, slots=True)
class Given:
    """What a caller gives for one input; ``values`` only where the engine computes shapes from them."""

    dtype: str
    shape: tuple[int, ...]
    values: tuple[int, ...] | None = None


def dtype_name(dtype: Any) -> str:
    """Return numpy's name of a type as numpy, PyTorch, ONNX or TensorRT spells it."""
    name = type_word(str(getattr(dtype, "name", dtype)).rpartition(".")[2])
    # NumPy calls both byte orders float32, and TensorRT would read the bytes as they are.
    order = "" if getattr(dtype, "isnative", True) else " in the other byte order"
    return _NUMPY_NAMES.get(name, name) + order


def given_of(array: Any, *, with_values: bool = False) -> Given:
    """Describe anything that has ``dtype`` and ``shape``: numpy, PyTorch, CuPy; else raise TypeError."""
    if not hasattr(array, "dtype") or not hasattr(array, "shape"):
        raise TypeError(f"{type(array).__name__} has no dtype and shape")
    values = tuple(int(value) for value in array.reshape(-1).tolist()) if with_values else None
    return Given(dtype_name(array.dtype), tuple(int(size) for size in array.shape), values)


def spelt(shape: Iterable[int] | None) -> str:
    """Write a shape as messages do: ``[?, 3, 224, 224]``."""
    if shape is None:
        return "of any rank"
    return f"[{', '.join('?' if size == FREE else str(size) for size in shape)}]"


def tensors_of(manifest: Manifest) -> tuple[Tensor, ...]:
    """Return the inputs as the engine has them; of an older manifest, as the model has them."""
    recorded = manifest.build.engine_io or manifest.build.model
    return tuple(_tensor(item) for item in recorded.get("inputs", ()))


def profiles_of(manifest: Manifest) -> tuple[Profile, ...]:
    """Return the optimization profiles that were used."""
    return tuple(Profile.from_json(profile) for profile in manifest.build.profiles)


def tensors_of_engine(engine: Any, trt: Any) -> tuple[Tensor, ...]:
    """Return the inputs of a deserialised engine."""
    names = _input_names(engine, trt)
    return tuple(
        Tensor(name, dtype_name(engine.get_tensor_dtype(name)), tuple(engine.get_tensor_shape(name)))
        for name in names
    )


def profiles_of_engine(engine: Any, trt: Any) -> tuple[Profile, ...]:
    """Return the shapes of the optimization profiles of a deserialised engine."""
    names = _input_names(engine, trt)
    return tuple(
        Profile({name: _range(engine.get_tensor_profile_shape(name, index)) for name in names})
        for index in range(engine.num_optimization_profiles)
    )


def _input_names(engine: Any, trt: Any) -> list[str]:
    names = [engine.get_tensor_name(index) for index in range(engine.num_io_tensors)]
    return [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]


def _range(shapes: Any) -> ShapeRange:
    low, usual, high = (tuple(int(size) for size in shape) for shape in shapes)
    return ShapeRange(low, usual, high)


def _tensor(recorded: Mapping[str, Any]) -> Tensor:
    try:
        shape = recorded["shape"]
        sizes = None if shape is None else tuple(size if isinstance(size, int) else FREE for size in shape)
        return Tensor(str(recorded["name"]), dtype_name(recorded["dtype"]), sizes)
    except (KeyError, TypeError) as error:
        raise ContractError(f"Manifest.build: an input is recorded as {recorded!r:.200}") from error
