"""Manifests of engines with inputs, outputs and profiles of a test's choice."""

from dataclasses import replace
from typing import Any

from contractdocuments import MANIFEST
from ignition_hub.engine.identity import Profile, ShapeRange
from ignition_hub.engine.manifest import Manifest

Tensor = tuple[str, str, "list[Any] | None"]
"""Name, type by ONNX's name and shape, with the model's names of free dimensions."""


def tensor(name: str, dtype: str, shape: list[Any] | None) -> dict[str, Any]:
    return {"name": name, "dtype": dtype, "shape": shape}


def profile(**shapes: Any) -> Profile:
    """A profile of ``input=(smallest, usual, largest)``."""
    return Profile({name: ShapeRange(*map(tuple, sizes)) for name, sizes in shapes.items()})


def manifest_of(inputs: list[Tensor], outputs: list[Tensor], *profiles: Profile, **facts: Any) -> Manifest:
    """A manifest as the builder writes it: the engine has -1 where the model has a name."""
    model = {"inputs": [tensor(*one) for one in inputs], "outputs": [tensor(*one) for one in outputs]}
    engine = {kind: [in_engine(one) for one in tensors] for kind, tensors in model.items()}
    said = {
        "engine_io": engine,
        "model": model,
        "profiles": tuple(one.to_json() for one in profiles),
        **facts,
    }
    return replace(MANIFEST, build=replace(MANIFEST.build, **said))


def in_engine(one: dict[str, Any]) -> dict[str, Any]:
    shape = one["shape"]
    free = None if shape is None else [-1 if isinstance(size, str) else size for size in shape]
    return {**one, "shape": free}


ONE = ([1, 3], [4, 3], [8, 3])
IMAGES = ([1, 3, 32, 32], [8, 3, 64, 64], [32, 3, 128, 128])
SERVED = {
    "images": manifest_of(
        [("pixels", "float16", ["batch_size", 3, "height", "width"])],
        [("logits", "float", ["batch_size", 1000])],
        profile(pixels=IMAGES),
    ),
    "batch-of-scalars": manifest_of(
        [("ids", "int64", ["N"])], [("is_spam", "bool", ["N"])], profile(ids=([1], [2], [4]))
    ),
    "batch-of-one": manifest_of(
        [("x", "float", ["batch", 3])], [("y", "float", ["batch", 3])], profile(x=([1, 3], [1, 3], [1, 3]))
    ),
    "two-profiles": manifest_of(
        [("x", "float", ["batch", "length"])],
        [("y", "float", ["batch", 2])],
        profile(x=([1, 1], [1, 8], [8, 16])),
        profile(x=([1, 17], [8, 64], [8, 512])),
    ),
    "profiles-of-unlike-batches": manifest_of(
        [("x", "float", ["batch", 3])],
        [("y", "float", ["batch", 3])],
        profile(x=([1, 3], [1, 3], [1, 3])),
        profile(x=([2, 3], [8, 3], [32, 3])),
    ),
    "fixed": manifest_of(
        [("x", "bfloat16", [1, 3, 8, 8]), ("z", "uint8", [4])],
        [("y", "int8", [1, 5]), ("w", "int32", [2, 2])],
    ),
    "strange-names": manifest_of(
        [('a"b\\c\n', "float", ["batch", 3])],
        [("größe 12€\x0112", "float", ["batch", 3])],
        profile(**{'a"b\\c\n': ONE}),
    ),
}
"""Engines that Triton serves, by alias."""
