"""
What a build needs from one flavor of TensorRT; everything product-specific is behind this seam.

The module is imported only when a backend is opened: the parent process never loads NVIDIA's libraries.
"""

import importlib
import platform
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from ignition_builder.compiling.checked_config import Settled, flag_bit, members_of
from ignition_builder.documents import STRONG
from ignition_builder.options import BuildOptions
from ignition_hub.compatibility.support_matrix import OLDEST, dotted, parse_version
from ignition_hub.engine.errors import NodeError, Reason, RequestError
from ignition_hub.engine.identity import FLAVOR_NAMES, TENSORRT, TENSORRT_RTX, EngineInputs


class BuilderBackend(Protocol):
    """One flavor of TensorRT as found on this machine."""

    flavor: str
    trt: Any
    """The Python module."""
    gpu: Mapping[str, Any] | None
    """The GPU that takes part, as BuildFacts has it; None when none does, and before ``check``."""
    driver: str | None
    """Its driver's version."""
    has_timing_cache: bool
    """Whether timings of kernels are measured, and worth keeping."""

    @property
    def version(self) -> str:
        """The full version, such as ``1.7.1.116``."""

    @property
    def cuda_version(self) -> str | None:
        """The CUDA release the libraries belong to; None when nothing says it."""

    def check(self, inputs: EngineInputs, options: BuildOptions) -> None:
        """Raise RequestError or NodeError for what this product or this machine cannot do."""

    def aim(self, config: Settled, inputs: EngineInputs) -> None:
        """Set the target GPU in a builder configuration and read it back."""

    def aimed_at(self, config: Any) -> dict[str, Any]:
        """Return what ``aim`` set, as the manifest's settings have it."""

    def severity_of(self, severity: str, message: str) -> str:
        """Return how grave a message of NVIDIA's logger is, by its name there; some errors are none."""


_BACKENDS = {
    TENSORRT: ("ignition_builder.compiling.nvidia", "TensorRTBackend"),
    TENSORRT_RTX: ("ignition_builder.compiling.rtx", "RtxBackend"),
}


def load_backend(flavor: str) -> BuilderBackend:
    """Return the backend of ``flavor``; ImportError when this image does not hold it."""
    module, name = _BACKENDS[flavor]
    backend: BuilderBackend = getattr(importlib.import_module(module), name)()
    return backend


def open_backend(inputs: EngineInputs) -> BuilderBackend:
    """Return the wanted backend; NodeError (WrongTensorRT) when its flavor or version is not here."""
    try:
        backend = load_backend(inputs.flavor)
    except ImportError as error:
        raise _wrong(inputs, f"this image has no {FLAVOR_NAMES[inputs.flavor]} ({error})") from error
    if not _may_be(backend.version, inputs.tensorrt_version):
        raise _wrong(inputs, f"this image contains {release_of(backend)}")
    if inputs.flavor == TENSORRT and parse_version(backend.version) < OLDEST:
        raise NodeError(
            Reason.WrongTensorRT,
            f"this image contains {release_of(backend)}, which does not address tensors by name",
            f"use an image of TensorRT {dotted(OLDEST)} or newer",
        )
    return backend


def release_of(backend: BuilderBackend) -> str:
    """Return product and version as messages name them."""
    return f"{FLAVOR_NAMES[backend.flavor]} {backend.version}"


def network_flags(trt: Any, typing: str) -> int:
    """
    Return the bits for ``create_network``, as far as the release has them.

    TensorRT 8 needs EXPLICIT_BATCH for ONNX, 11 has no such flag; a release without any precision flag
    knows strong typing alone and needs no bit for it (read from the bindings).
    """
    bits = flag_bit(trt, "NetworkDefinitionCreationFlag", "EXPLICIT_BATCH")
    if typing != STRONG:
        return bits
    strong = flag_bit(trt, "NetworkDefinitionCreationFlag", "STRONGLY_TYPED")
    if not strong and "FP16" in members_of(trt, "BuilderFlag"):
        raise RequestError(
            Reason.UnsupportedPrecision,
            "a strongly typed network was requested, but this release of TensorRT has none",
            "use TensorRT 10.12 or newer",
        )
    return bits | strong


def check_platform(inputs: EngineInputs) -> None:
    """Raise NodeError (WrongTensorRT) unless this machine has the processor the engine is for."""
    machine = platform.machine()
    wanted = "aarch64" if inputs.platform.startswith("jetpack-") else inputs.platform.removeprefix("linux-")
    if wanted != machine:
        raise NodeError(
            Reason.WrongTensorRT,
            f"the engine is for {inputs.platform}, but this builder runs on linux-{machine}",
            "correct the BuildPool's nodeSelector",
        )


def cuda_of_wheels(prefix: str) -> str | None:
    """
    Return the CUDA major version in the name of an installed wheel, as ``13`` in ``tensorrt_cu13``.

    Names are looked for as pip writes them, which takes less time than to load what reads them.
    """
    for folder in sys.path:
        for found in sorted(Path(folder or ".").glob(f"{prefix}[0-9]*.dist-info")):
            if release := re.match(r"\d+", found.name.removeprefix(prefix)):
                return release[0]
    return None


def _may_be(version: str, wanted: str) -> bool:
    # Bindings up to 10.7 leave out the fourth number (read from them); the plan's own header proves it later.
    return version == wanted or (version.count(".") == 2 and wanted.startswith(f"{version}."))


def _wrong(inputs: EngineInputs, why: str) -> NodeError:
    return NodeError(
        Reason.WrongTensorRT,
        f"{inputs.release} was requested; {why}",
        "correct the runtimes of the BuildPool: version and image must agree",
    )
