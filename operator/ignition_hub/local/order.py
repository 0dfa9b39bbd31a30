"""
From what a caller writes to what is built: the same inputs, and so the same identity, as in a cluster.
"""

import functools
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ignition_hub.device import DeviceFacts, probe
from ignition_hub.engine.compatibility import Ask, verdict
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.gpu import gpu_of
from ignition_hub.engine.identity import (
    FLAVORS,
    SAME_COMPUTE_CAPABILITY,
    TENSORRT,
    TENSORRT_RTX,
    BatchRange,
    EngineInputs,
    Model,
    Profile,
    ShapeRange,
    Target,
    identity_of,
)
from ignition_hub.engine.naming import engine_file_name
from ignition_hub.engine.request import BuildRequest
from ignition_hub.engine.support import parse_version
from ignition_hub.local.digests import Digests
from ignition_hub.local.errors import BuilderMissing, wrong
from ignition_hub.local.files import NamedFiles, pinned
from ignition_hub.local.fingerprint import ModelFile, model_file
from ignition_hub.local.installed import Installed, installed, machine_as_pool, machine_platform
from ignition_hub.local.options import gates_of, normalized

Shape = Sequence[int]
Range = Shape | Sequence[Shape] | Mapping[str, Shape]
"""One shape; or smallest, usual and largest, in this order or by the names min, opt and max."""

FULL_VERSION_PARTS = 4
DEFAULT_VERSION = "local"
TIMEOUT_SECONDS = 2 * 60 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a caller wants, as written; see ``build_or_load_engine`` for every field."""

    onnx_path: Path
    precision: str = "fp16"
    batch_size: int | Sequence[int] | None = None
    max_sequence_length: int | None = None
    shapes: Mapping[str, Range] = field(default_factory=dict)
    arch: str | None = None
    flavor: str | None = None
    tensorrt_version: str | None = None
    compatibility: str = SAME_COMPUTE_CAPABILITY
    product: str | None = None
    model_name: str | None = None
    model_version: str = DEFAULT_VERSION
    options: Mapping[str, Any] = field(default_factory=dict)
    verification: Mapping[str, Any] = field(default_factory=dict)
    timeout_seconds: int = TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One engine to find or to build; ``installed`` is what would build it, None when nothing here can."""

    model: ModelFile
    inputs: EngineInputs
    identity: str
    installed: Installed | None
    files: NamedFiles = field(hash=False)
    timeout_seconds: int

    @property
    def name(self) -> str:
        """The engine's file name."""
        return engine_file_name(self.inputs)

    def request(self) -> BuildRequest:
        """Return what the builder is asked."""
        return BuildRequest(
            identity=self.identity,
            inputs=self.inputs,
            model_sha256=self.model.sha256,
            model_uri=self.model.path.name,
            source_size=self.model.size,
            options=self.inputs.options,
            verification=self.inputs.verification,
            timeout_seconds=self.timeout_seconds,
            low_memory=False,
            name=self.name,
            namespace=DEFAULT_VERSION,
            engine_resource=self.inputs.model.name,
        )


def order_of(wish: Wish, digests: Digests) -> Order:
    """Return what ``wish`` means on this machine; RequestError or ContractError names what is wrong."""
    arch = wish.arch or _arch_of_this_machine()
    gpu_of(arch)
    if wish.flavor is not None and wish.flavor not in FLAVORS:
        raise wrong("flavor", wish.flavor, "unknown flavor", f"use one of {', '.join(FLAVORS)}")
    found = _builds_here(wish.flavor, arch)
    model = model_file(wish.onnx_path, digests)
    named = pinned(wish.options, wish.verification, digests)
    inputs = EngineInputs(
        model=Model(wish.model_name or name_of(wish.onnx_path), wish.model_version, model.fingerprint),
        precision=wish.precision,
        profiles=profiles_of(wish),
        flavor=_flavor(wish, found),
        tensorrt_version=_version(wish, found),
        platform=machine_platform(),
        gpu_arch=arch,
        product=wish.product,
        compatibility=wish.compatibility,
        options=normalized(named.options),
        verification=gates_of(named.verification),
        calibration_digest=named.files.calibration_digest,
        plugin_digests=named.files.plugin_digests,
    )
    return Order(
        model=model,
        inputs=inputs,
        identity=identity_of(inputs),
        installed=found,
        files=named.files,
        timeout_seconds=wish.timeout_seconds,
    )


def check_buildable(order: Order) -> None:
    """Raise what the truth table says against building ``order`` on this machine."""
    inputs = order.inputs
    if order.installed is None:
        raise _nothing_installed()
    target = Target(inputs.gpu_arch, inputs.gpu_arch, inputs.product, inputs.compatibility)
    ask = Ask(inputs.precision, inputs.flavor, inputs.tensorrt_version, inputs.options, target)
    gpu = machine_gpu() if inputs.flavor == TENSORRT else None
    answer = verdict(machine_as_pool(order.installed, gpu), ask)
    if not answer.ok:
        raise RequestError(Reason(answer.reason), answer.message, answer.remedy)


def profiles_of(wish: Wish) -> tuple[Profile, ...]:
    """Return the one profile that shapes and shorthands ask for; none when nothing was asked."""
    if not wish.shapes and wish.batch_size is None and wish.max_sequence_length is None:
        return ()
    shapes = {name: shape_range(name, written) for name, written in wish.shapes.items()}
    length = wish.max_sequence_length
    if length is not None and length < 1:
        raise wrong("max_sequence_length", length, "not a length", "give a number from 1 on")
    return (Profile(shapes=shapes, batch_size=batch_range(wish.batch_size), max_sequence_length=length),)


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


def name_of(path: Path) -> str:
    """``my model (2).onnx`` -> ``my-model-2``: a file's name as the name of a model."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", path.stem).strip("-._")[:63] or "model"


@functools.cache
def machine_gpu() -> DeviceFacts | None:
    """Return the GPU of this machine; asked only where it matters, for the question initialises CUDA."""
    return probe()


def _arch_of_this_machine() -> str:
    gpu = machine_gpu()
    if gpu is None:
        raise RequestError(
            Reason.InvalidRequest,
            "arch: missing, and this machine has no usable GPU to take it from",
            "name the GPU architecture the engine is for, for example sm_89",
        )
    return gpu.arch


def _builds_here(flavor: str | None, arch: str) -> Installed | None:
    """
    Return what builds here when ``flavor`` was asked for, or left open.

    Left open, TensorRT comes first where the target's GPU is in this machine, as in a cluster; without that
    GPU only TensorRT-RTX can build.
    """
    if flavor is not None:
        return installed(flavor)
    full, rtx = installed(TENSORRT), installed(TENSORRT_RTX)
    if full is None or rtx is None:
        return full or rtx
    gpu = machine_gpu()
    return full if gpu is not None and gpu.arch == arch else rtx


def _flavor(wish: Wish, found: Installed | None) -> str:
    if wish.flavor is not None:
        return wish.flavor
    if found is None:
        raise _nothing_installed()
    return found.flavor


def _version(wish: Wish, found: Installed | None) -> str:
    """Return the full version: the installed one where it fits, else one that was asked for in full."""
    asked = parse_version(wish.tensorrt_version or "")
    if found is not None and parse_version(found.version)[: len(asked)] == asked:
        return found.version
    if len(asked) == FULL_VERSION_PARTS:
        return wish.tensorrt_version or ""
    if found is None:
        raise _nothing_installed()
    raise wrong(
        "tensorrt_version",
        wish.tensorrt_version,
        f"{found.flavor} {found.version} is installed here",
        "ask for that, or for another release in full, as 10.13.2.6, to find it in a cache",
    )


def _nothing_installed() -> BuilderMissing:
    return BuilderMissing(
        "no TensorRT is installed here",
        "pip install 'ignition-hub[builder-rtx]', or name flavor and full tensorrt_version to look for",
    )


def _not_shapes(name: str, written: object) -> RequestError:
    remedy = "give one shape, or min, opt and max in rising order, as ([1, 64], [8, 64], [32, 64])"
    return wrong(f"shapes[{name!r}]", written, "not a range of shapes", remedy)
