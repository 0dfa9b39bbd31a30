"""
An engine as a serving program sees it: its inputs and outputs, and the shapes that it runs.

Read from the manifest, which is part of the gateway's answer: types and shapes are those of the engine, the
names of dimensions those of the ONNX model that it was built from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.engine.dimension_names import names_a_batch
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.identity import Profile
from ignition_hub.engine.manifest import BuildFacts
from ignition_hub.engine.type_names import type_word
from ignition_hub.layouts.errors import LayoutRefused

FREE = -1
"""The size of a dimension that the profiles leave open."""
LARGEST = 2**63 - 1
"""The largest size that TensorRT and every format of a layout can hold."""
BEGINNING = 64
"""Bytes of a plan that a layout may tell of."""


@dataclass(frozen=True, slots=True)
class ServedTensor:
    """
    One input or output of an engine.

    ``dtype`` is ONNX's name. ``shape`` has FREE where a profile decides, and is None where the rank is not
    known. ``first`` is the model's name of the first dimension, empty where it has none.
    """

    name: str
    dtype: str
    shape: tuple[int, ...] | None
    first: str = ""

    @property
    def is_free_first(self) -> bool:
        """Whether the first dimension is left open."""
        return self.shape is not None and self.shape[:1] == (FREE,)


@dataclass(frozen=True, slots=True)
class ServedEngine:
    """
    One engine under the ``alias`` of the pod, built for ``arch``.

    ``profiles`` are the optimization profiles with the shapes that were used, none where all are fixed.
    ``beginning`` are the first bytes of the plan, zeros before it is fetched.
    """

    alias: str
    flavor: str
    arch: str
    inputs: tuple[ServedTensor, ...]
    outputs: tuple[ServedTensor, ...]
    profiles: tuple[Profile, ...]
    beginning: bytes = bytes(BEGINNING)

    @classmethod
    def of_build(cls, alias: str, arch: str, build: BuildFacts) -> "ServedEngine":
        """Read a manifest's facts; LayoutRefused for those of an earlier release that say too little."""
        if build.engine_io is None:
            raise LayoutRefused(
                "the manifest does not record the inputs and outputs of the engine, only those of the model",
                "request a rebuild of the TensorRTEngine; this release records them",
            )
        return cls(
            alias=alias,
            flavor=build.flavor,
            arch=arch,
            inputs=_tensors("inputs", build.engine_io, build.model),
            outputs=_tensors("outputs", build.engine_io, build.model),
            profiles=tuple(Profile.from_json(profile) for profile in build.profiles),
        )

    @property
    def tensors(self) -> tuple[ServedTensor, ...]:
        """Inputs, then outputs."""
        return (*self.inputs, *self.outputs)

    @property
    def largest_batch(self) -> int:
        """
        How many requests may be put together along the first dimension of every tensor; 0 for none.

        The model has to call that dimension a batch in all inputs and outputs, and every profile to run
        every batch from 1 to the same number: a request that the engine serves alone is then served in a
        batch, and no other.
        """
        names = {tensor.first for tensor in self.tensors}
        is_batch = all(tensor.is_free_first for tensor in self.tensors)
        if not (is_batch and len(names) == 1 and names_a_batch(*names)):
            return 0
        ranges = {_first_range(profile, tensor.name) for profile in self.profiles for tensor in self.inputs}
        smallest, largest = ranges.pop() if len(ranges) == 1 else (0, 0)
        return largest if smallest == 1 else 0


def _first_range(profile: Profile, name: str) -> tuple[int, int]:
    found = profile.shapes.get(name)
    return (found.min[0], found.max[0]) if found and found.min and found.max else (0, 0)


def _tensors(kind: str, engine: Mapping[str, Any], model: Mapping[str, Any]) -> tuple[ServedTensor, ...]:
    try:
        firsts = {item["name"]: _first_name(item["shape"]) for item in model.get(kind) or ()}
        return tuple(_tensor(item, firsts) for item in engine.get(kind) or ())
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ContractError(
            f"Manifest.build: the {kind} are recorded as {engine.get(kind)!r:.200}"
        ) from error


def _tensor(item: Mapping[str, Any], firsts: Mapping[str, str]) -> ServedTensor:
    shape = item["shape"]
    sizes = None if shape is None else tuple(_size(size) for size in shape)
    name = str(item["name"])
    name.encode()  # half of a surrogate pair is in no language of a configuration
    return ServedTensor(name, type_word(str(item["dtype"])), sizes, firsts.get(name, ""))


def _size(recorded: Any) -> int:
    size = recorded if isinstance(recorded, int) else FREE
    if not FREE <= size <= LARGEST:
        raise ValueError(f"{size} is not the size of a dimension")
    return size


def _first_name(shape: Any) -> str:
    return shape[0] if shape and isinstance(shape[0], str) else ""
