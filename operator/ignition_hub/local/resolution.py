"""
From what a caller writes to what is built: the same inputs, and so the same identity, as in a cluster.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ignition_hub.compatibility.case import a_gpu
from ignition_hub.compatibility.gpus import gpu_of
from ignition_hub.compatibility.support_matrix import dotted, parse_version
from ignition_hub.compatibility.verdict import Ask, verdict
from ignition_hub.device import DeviceFacts, probe
from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.engine.identity import (
    FLAVOR_NAMES,
    FLAVORS,
    PRODUCT,
    TENSORRT,
    TENSORRT_RTX,
    EngineInputs,
    Model,
    identity_of,
)
from ignition_hub.engine.naming import engine_file_name
from ignition_hub.engine.request import BuildRequest
from ignition_hub.local.default_compatibility import check_level, product_of, widest
from ignition_hub.local.digests import DigestCache
from ignition_hub.local.errors import wrong
from ignition_hub.local.files import NamedFiles, pinned
from ignition_hub.local.fingerprint import ModelFile, model_file
from ignition_hub.local.installed import (
    Installed,
    installed,
    machine_as_pool,
    machine_platform,
    nothing_installed,
)
from ignition_hub.local.options import checks_of, normalized
from ignition_hub.local.shapes import Range, profiles_of

FULL_VERSION_PARTS = 4
DEFAULT_VERSION = "local"
TIMEOUT_SECONDS = 2 * 60 * 60


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineRequest:
    """What a caller wants, as written; see ``build_or_load_engine`` for every field."""

    onnx_path: Path
    precision: str = "fp16"
    batch_size: int | Sequence[int] | None = None
    max_sequence_length: int | None = None
    shapes: Mapping[str, Range] = field(default_factory=dict)
    arch: str | None = None
    flavor: str | None = None
    tensorrt_version: str | None = None
    compatibility: str | None = None
    product: str | None = None
    model_name: str | None = None
    model_version: str = DEFAULT_VERSION
    options: Mapping[str, Any] = field(default_factory=dict)
    verification: Mapping[str, Any] = field(default_factory=dict)
    timeout_seconds: int = TIMEOUT_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedRequest:
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


def resolved_request(request: EngineRequest, digests: DigestCache) -> ResolvedRequest:
    """Return what ``request`` means on this machine; RequestError or ContractError names what is wrong."""
    arch = request.arch or _arch_of_this_machine()
    gpu_of(arch)
    if request.flavor is not None and request.flavor not in FLAVORS:
        raise wrong("flavor", request.flavor, "unknown flavor", f"use one of {', '.join(FLAVORS)}")
    check_level(request.compatibility, request.product)
    found = _builds_here(request.flavor, arch)
    flavor, version = _flavor(request, found), _version(request, found)
    level = request.compatibility or (PRODUCT if request.product else widest(flavor, version, arch))
    release = f"{FLAVOR_NAMES[flavor]} {version}"
    model = model_file(request.onnx_path, digests)
    named = pinned(request.options, request.verification, digests)
    inputs = EngineInputs(
        model=Model(
            request.model_name or name_of(request.onnx_path), request.model_version, model.fingerprint
        ),
        precision=request.precision,
        profiles=profiles_of(request.batch_size, request.max_sequence_length, request.shapes),
        flavor=flavor,
        tensorrt_version=version,
        platform=machine_platform(),
        gpu_arch=arch,
        product=product_of(request.product, release, arch, machine_gpu) if level == PRODUCT else None,
        compatibility=level,
        options=normalized(named.options),
        verification=checks_of(named.verification),
        calibration_digest=named.files.calibration_digest,
        plugin_digests=named.files.plugin_digests,
    )
    return ResolvedRequest(
        model=model,
        inputs=inputs,
        identity=identity_of(inputs),
        installed=found,
        files=named.files,
        timeout_seconds=request.timeout_seconds,
    )


def check_buildable(resolved: ResolvedRequest) -> None:
    """Raise what the truth table says against building ``resolved`` on this machine."""
    inputs = resolved.inputs
    if resolved.installed is None:
        raise nothing_installed(inputs.flavor)
    gpu = machine_gpu() if inputs.flavor == TENSORRT else None
    answer = verdict(machine_as_pool(resolved.installed, gpu), Ask.of_inputs(inputs))
    if not answer.ok:
        raise RequestError(Reason(answer.reason), answer.message, _remedy_here(answer.remedy, inputs))


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
            "arch: missing, and this machine has no usable GPU to detect it from",
            "give the GPU architecture the engine is for, for example sm_89",
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


def _flavor(request: EngineRequest, found: Installed | None) -> str:
    if request.flavor is not None:
        return request.flavor
    if found is None:
        raise nothing_installed(None)
    return found.flavor


def _version(request: EngineRequest, found: Installed | None) -> str:
    """Return the full version: the installed one where it fits, else one that was asked for in full."""
    asked = parse_version(request.tensorrt_version or "")
    if request.tensorrt_version and dotted(asked) != request.tensorrt_version:
        raise wrong("tensorrt_version", request.tensorrt_version, "not a version", "for example 10.13")
    if found is not None and parse_version(found.version)[: len(asked)] == asked:
        return found.version
    if len(asked) == FULL_VERSION_PARTS:
        return request.tensorrt_version or ""
    if found is None:
        raise nothing_installed(request.flavor)
    raise wrong(
        "tensorrt_version",
        request.tensorrt_version,
        f"{FLAVOR_NAMES[found.flavor]} {found.version} is installed here",
        "use that, or give the full version of another release, for example 10.13.2.6, to find it in a cache",
    )


def _remedy_here(remedy: str, inputs: EngineInputs) -> str:
    """Say first what works without a cluster: the truth table's remedies add pools to one."""
    if not remedy.startswith("add a BuildPool"):
        return remedy
    gpu = a_gpu(gpu_of(inputs.gpu_arch))
    return f"build it with TensorRT on a machine with {gpu}; in a cluster, {remedy}"
