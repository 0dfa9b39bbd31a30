"""
TensorRTEngine: one ONNX model, one precision, the GPUs it must run on.

The resource a machine-learning team writes. Nothing in it reaches a pod as it stands: no image, no account,
no node, no path.
"""

from typing import Annotated, Literal

from pydantic import Field

from ignition_hub.api.schema import (
    ATOMIC,
    Arch,
    Compatibility,
    Duration,
    FileWord,
    Flavor,
    Label,
    Part,
    Precision,
    PriorityClass,
    Product,
    rule,
    ruled,
    rules,
)
from ignition_hub.api.v1alpha1.common import CustomResource, Source
from ignition_hub.api.v1alpha1.options import Options
from ignition_hub.api.v1alpha1.profiles import FITS_A_REQUEST, ProfileSpec
from ignition_hub.api.v1alpha1.status import EngineStatus
from ignition_hub.api.v1alpha1.verification import Verification


class ModelSpec(Part):
    """The model: what it is called and where it is."""

    name: FileWord
    """
    Name of the model, part of the engine's file name: letters, digits, `.`, `_`, `-`. Example: arcface_r100
    """
    version: FileWord
    """Version of the model, part of the engine's file name. Example: v1.0"""
    source: Source
    """Where the ONNX file is."""


class TensorRTSpec(Part):
    """Which TensorRT builds the engine, hence which one must load it."""

    model_config = rules(
        rule(
            "!has(self.flavor) || !has(self.version) || "
            "(self.flavor == 'TensorRTRTX') == (int(self.version.split('.')[0]) < 8)",
            "version and flavor contradict each other: TensorRT-RTX counts from 1, TensorRT from 8",
            at=".version",
        )
    )

    flavor: Flavor | None = None
    """TensorRT, or TensorRTRTX (compiles without the GPU). Default: what the pools offer, TensorRT first."""
    version: Annotated[str, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,5}){0,3}$", max_length=24)] | None = None
    """
    Version as a dotted prefix; 10.13 takes the newest 10.13.x.y that a pool offers. Default: the newest of
    all. What was chosen is pinned in `status.targets[].tensorrt`. Example: "10.13.2" (quote it: 10.10 is a
    number in YAML)
    """


class TargetSpec(Part):
    """One GPU the engine must run on."""

    model_config = rules(
        rule(
            "self.compatibility != 'Product' || has(self.product)",
            "compatibility Product builds for one exact product: name it in product, for example NVIDIA-L4",
            at=".product",
        ),
        rule(
            "self.compatibility != 'AmperePlus' || int(self.gpuArch.substring(3)) >= 80",
            "AmperePlus starts at sm_80; use SameComputeCapability for older GPUs",
            at=".compatibility",
        ),
    )

    name: Label | None = None
    """
    Name of the target in the status, unique in this resource. Default: the product in lower case, else the
    architecture, with - for _ and . (sm-89).
    """
    gpu_arch: Arch
    """
    Architecture of the GPU, sm_ and its compute capability without the dot. Example: sm_89 (NVIDIA L4, 8.9)
    """
    product: Product | None = None
    """
    Exact product, as the label nvidia.com/gpu.product spells it, with the MIG profile if there is one. On
    Jetson the exact module. Default: any product of the architecture. Example: NVIDIA-L4
    """
    compatibility: Compatibility = "SameComputeCapability"
    """
    How far one build reaches. Product: that product only, the fastest. SameComputeCapability: every product
    of the architecture (TensorRT 10.9 and newer; ask for Product with older ones). AmperePlus: also every
    newer GPU, at a cost in speed (TensorRT 8.6 and newer).
    Default: SameComputeCapability.
    """


TIMEOUT_RULE = rule(
    "duration(self) >= duration('1m') && duration(self) <= duration('24h')", "must lie between 1m and 24h"
)


class BuildSettings(Part):
    """How to build. Not part of the engine's identity: a change triggers no rebuild."""

    timeout: Annotated[Duration, Field(json_schema_extra=ruled(TIMEOUT_RULE))] = "2h"
    """
    Time limit of one build, including its retries. A build that several resources wait for has the longest of
    theirs. Default: 2h. Example: 30m
    """
    retries: Annotated[int, Field(ge=0, le=10)] = 2
    """
    How often a build is retried after a temporary failure. A build that several resources wait for has the
    most of theirs. Default: 2.
    """
    queue_name: Label | None = None
    """
    Kueue LocalQueue, in the build namespace, that admits the build. The target is Unbuildable where
    `spec.tenants` of the BuildPool does not let the namespace name it. Default: what the BuildPool gives the
    namespace, else none, and the build starts at once.
    """
    priority_class_name: PriorityClass | None = None
    """
    PriorityClass of the builder pod. The target is Unbuildable where `spec.tenants` of the BuildPool does not
    let the namespace name it. Default: what the BuildPool gives the namespace, else none. Example: low
    """
    low_memory: bool = False
    """
    Build with less memory, more slowly: a conversion is proven, and an accuracy check loads, only before or
    after the engine is compiled, also where TensorRT-RTX would have the room meanwhile. Model and engine are
    streamed through files in any case. A build that several resources wait for does so when one of them asks
    for it. Default: false.
    """
    timing_cache: Literal["ReadWrite", "ReadOnly", "Locked", "Off"] = "ReadWrite"
    """
    Use of the timing cache that the store keeps for each GPU product and TensorRT version. It is shared by
    the models that only this namespace may read, otherwise by builds of the same model. Locked fails a build
    that would have to measure a new tactic. TensorRT-RTX compiles without measuring and has none. A build
    that several resources wait for is Off when one of them is, Locked when all are, and ReadOnly when one is
    ReadOnly or Locked. Default: ReadWrite.
    """


DEFAULT_NAME_CEL = (
    "has(t.name) ? t.name : "
    "(has(t.product) ? t.product.lowerAscii() : t.gpuArch).replace('_', '-').replace('.', '-')"
)
UNIQUE_NAMES = rule(
    f"[self.map(t, {DEFAULT_NAME_CEL})].all(names, names.all(n, names.exists_one(m, m == n)))",
    "two targets have the same name (left out, it is the product or the architecture): give one a name",
)


class EngineSpec(Part):
    """Desired state. The operator never writes it."""

    model_config = rules(
        rule(
            "!has(self.options) || !has(self.options.calibration) || self.precision == 'int8'",
            "calibration is for int8; fp8, int4 and fp4 need a model with Q/DQ nodes, and others none",
            at=".options.calibration",
        )
    )

    model: ModelSpec
    """The model to build from."""
    precision: Precision
    """
    Precision of the engine: fp32, tf32, fp16, bf16, int8, fp8, int4 or fp4. Not every GPU has every one; a
    target that lacks it is Unbuildable with the reason. fp32 switches TF32 off.
    """
    profiles: Annotated[
        tuple[ProfileSpec, ...], Field(max_length=16, json_schema_extra=ruled(FITS_A_REQUEST, **ATOMIC))
    ] = ()
    """
    Optimization profiles, required when an input of the model has a dynamic shape. All of them together fit a
    build request of 56 KiB, which is about 300 ranges of four dimensions. Default: none.
    """
    tensorrt: TensorRTSpec = TensorRTSpec()
    """Which TensorRT to build with. Default: the newest that a pool offers."""
    targets: Annotated[
        tuple[TargetSpec, ...],
        Field(min_length=1, max_length=64, json_schema_extra=ruled(UNIQUE_NAMES, **ATOMIC)),
    ]
    """The GPUs the engine must run on, 1 to 64; one build each."""
    options: Options = Options()
    """How TensorRT builds. Default: TensorRT's own defaults."""
    verification: Verification = Verification()
    """Accuracy and benchmark checks before anything is published. Default: none."""
    build: BuildSettings = BuildSettings()
    """How to build; not part of the engine's identity. Default: see each field."""
    deletion_policy: Literal["Retain", "Delete"] = "Retain"
    """
    What happens to the engines in the store when this resource is deleted. Retain: they are kept for as long
    as spec.retention.engines of the EngineStore says. Delete: once a run of prune has seen them in use, a run
    after the deletion removes them, spec.retention.deletedEngines later; never what another resource still
    uses. Of several resources that used an engine, all must have said Delete. Default: Retain.
    """
    suspend: bool = False
    """While true, no new build is started; ready engines stay ready. Default: false."""


class TensorRTEngine(CustomResource):
    """
    A TensorRT engine: one ONNX model, built for one or more GPUs, kept in the store, delivered to the pods
    that ask for it.
    """

    kind: str = "TensorRTEngine"
    """Kind of this object."""
    spec: EngineSpec
    """Desired state."""
    status: EngineStatus = EngineStatus()
    """Observed state."""
