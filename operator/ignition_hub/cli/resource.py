"""
The TensorRTEngine that a pushed model is built from, ready to be applied.

The contract's own rules are asked before anything is uploaded, so a typing mistake costs nothing.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ignition_hub.cli.errors import CliError
from ignition_hub.compatibility.gpus import gpu_of
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.identity import PRECISIONS, PRODUCT, Model
from ignition_hub.engine.names import API_VERSION

_NO_BYTES = "0" * 64
_PRODUCT = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
_DIMENSIONS = re.compile(r"[0-9]+(x[0-9]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourceRequest:
    """What the user wants built, checked; ContractError or CliError names what is wrong."""

    name: str
    version: str
    precision: str
    archs: tuple[str, ...]
    products: tuple[str, ...] = ()
    """None, or one for each architecture, in their order."""
    shapes: Mapping[str, Mapping[str, list[int]]]
    """Input name to ``{"min", "opt", "max"}``; empty for a model with fixed shapes."""

    def __post_init__(self) -> None:
        Model(self.name, self.version, fingerprint("", sha256=_NO_BYTES))
        if self.precision not in PRECISIONS:
            raise CliError(f"--precision {self.precision}: must be one of {', '.join(PRECISIONS)}")
        if not self.archs:
            raise CliError("--arch: missing. Give the GPUs the engine is for, for example --arch sm_89")
        for arch in self.archs:
            gpu_of(arch)
        if self.products and len(self.products) != len(self.archs):
            raise CliError(f"--product: {len(self.products)} for {len(self.archs)} --arch; give one for each")
        for product in self.products:
            if not _PRODUCT.fullmatch(product):
                raise CliError(f"--product {product}: must be a value of the label nvidia.com/gpu.product")

    def resource(self, namespace: str, uri: str, sha256: str | None) -> dict[str, Any]:
        """Return the TensorRTEngine in ``namespace`` for the model at ``uri``; no digest pins a bundle."""
        spec: dict[str, Any] = {
            "model": {
                "name": self.name,
                "version": self.version,
                "source": {"uri": uri} | ({"sha256": sha256} if sha256 else {}),
            },
            "precision": self.precision,
        }
        if self.shapes:
            spec["profiles"] = [{"shapes": {name: dict(shape) for name, shape in self.shapes.items()}}]
        spec["targets"] = self._targets()
        return {
            "apiVersion": API_VERSION,
            "kind": "TensorRTEngine",
            "metadata": {"name": object_name(self.name), "namespace": namespace},
            "spec": spec,
        }

    def _targets(self) -> list[dict[str, str]]:
        if not self.products:
            return [{"gpuArch": arch} for arch in dict.fromkeys(self.archs)]
        exact = dict.fromkeys(zip(self.archs, self.products, strict=True))
        return [{"gpuArch": arch, "product": product, "compatibility": PRODUCT} for arch, product in exact]


def object_name(model: str) -> str:
    """``arcface_r100`` -> ``arcface-r100``: a model's name as a Kubernetes object's."""
    return re.sub(r"[._]+", "-", model.lower()).strip("-")


def shapes_of(options: Sequence[str]) -> dict[str, dict[str, list[int]]]:
    """
    Read ``--shape`` options: ``INPUT=MIN:OPT:MAX`` or ``INPUT=SHAPE``, a shape as ``1x3x224x224``.

    Raises CliError for anything else.
    """
    shapes = {}
    for option in options:
        name, _, text = option.rpartition("=")
        ranges = [_dimensions(option, part) for part in text.split(":")]
        if not name or len(ranges) not in {1, 3}:
            raise _not_a_shape(option)
        smallest, usual, largest = ranges if len(ranges) == 3 else ranges * 3
        if len({len(smallest), len(usual), len(largest)}) != 1:
            raise CliError(f"--shape {option}: min, opt and max have different numbers of dimensions")
        if not all(low <= middle <= high for low, middle, high in zip(smallest, usual, largest, strict=True)):
            raise CliError(f"--shape {option}: every dimension must be min <= opt <= max")
        shapes[name] = {"min": smallest, "opt": usual, "max": largest}
    return shapes


def _dimensions(option: str, text: str) -> list[int]:
    if not _DIMENSIONS.fullmatch(text):
        raise _not_a_shape(option)
    return [int(number) for number in text.split("x")]


def _not_a_shape(option: str) -> CliError:
    return CliError(f"--shape {option}: must be INPUT=MIN:OPT:MAX, for example data=1x3x8x8:4x3x8x8:8x3x8x8")
