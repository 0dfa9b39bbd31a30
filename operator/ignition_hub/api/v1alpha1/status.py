"""
The status of a TensorRTEngine: what the controller found, resolved and built.

Small and slow-changing on purpose: every write wakes every watcher. Logs and full build facts are in the
store.
"""

from typing import Annotated, Literal

from pydantic import Field

from ignition_hub.api.schema import (
    Arch,
    CamelWord,
    Compatibility,
    Flavor,
    Line,
    Part,
    Sha256,
    Text,
    Time,
    keyed_by,
)
from ignition_hub.api.v1alpha1.common import Condition
from ignition_hub.engine.state import State

Percent = Annotated[int, Field(ge=0, le=100)]
Seconds = Annotated[float, Field(ge=0)]
EngineUri = Annotated[str, Field(max_length=2048)]


class Progress(Part):
    """Progress of the build."""

    phase: Line
    """Current phase of the build, as TensorRT names it. Example: Building engine"""
    percent: Percent = 0
    """Percentage of the phase that is done, 0 to 100."""


class PinnedTensorRT(Part):
    """The TensorRT that `spec.tensorrt` was resolved to."""

    flavor: Flavor
    """TensorRT or TensorRTRTX."""
    version: Line
    """The full version, four parts. Example: 10.13.2.6"""


class BuiltOn(Part):
    """What the engine was built on, as the builder saw it."""

    product: Line | None = None
    """The GPU. Absent when no GPU was used. Example: NVIDIA-L4"""
    driver: Line | None = None
    """The driver's version. Example: 570.124"""
    tensorrt: Line | None = None
    """The full version of TensorRT. Example: 10.13.2.6"""


Figure = Annotated[float, Field(ge=0)]


class AccuracyFigures(Part):
    """What the accuracy check found; an engine that fails it is not published."""

    compared: Literal["Engine", "Model"]
    """
    What was compared with the model as it came. Model: the converted model, where the engine could not run.
    """
    max_absolute: Figure | None = None
    """Largest absolute difference of all outputs, in their unit. Example: 0.0012"""
    max_relative: Figure | None = None
    """Largest relative difference of all outputs. Example: 0.004"""


class BenchmarkFigures(Part):
    """How fast the engine ran on the GPU that built it."""

    median_milliseconds: Figure | None = None
    """Median latency, in milliseconds. Example: 1.21"""
    p99_milliseconds: Figure | None = None
    """Latency that 99 of 100 runs do not exceed, in milliseconds."""
    per_second: Figure | None = None
    """Runs per second, one after the other."""


class WarningCount(Part):
    """A warning of the builder and its count."""

    code: CamelWord
    """The warning; `spec.options.failOnWarnings` takes the same word. Example: Int64Clamped"""
    count: Annotated[int, Field(ge=1)]
    """How often it occurred."""


class NewestEngine(Part):
    """What tells an engine from those that it replaced."""

    identity: Sha256
    """Identity of the engine."""
    sha256: Sha256
    """SHA-256 of the engine file."""
    built_at: Time
    """When it was built; a rebuild has a later time."""


class AddedFor(Part):
    """The pod for which a BuildPool with `spec.autoBuild` builds what the spec does not ask for."""

    pool: Line
    """The BuildPool whose `spec.autoBuild` allows it, and in whose limits it counts."""
    since: Time
    """When it was added."""
    gpu: Line
    """The GPU of that pod's node. Example: NVIDIA-L4 (sm_89)"""
    pod: Line
    """A pod, of this namespace, that needed it when it was added, or when it was needed again."""
    node: Line
    """The node of that pod."""
    unneeded_since: Time | None = None
    """Since when no pod has needed it; absent while one does. After `keepUnneeded` it is removed."""


class TargetStatus(Part):
    """State of one target, and where its engine is."""

    name: Line
    """Name of the target, as given or by default. Example: sm-89"""
    state: State
    """State of the target. Unbuildable: no pool can build it, and the message says what would work."""
    reason: CamelWord | None = None
    """Reason for the state, one CamelCase word."""
    message: Text | None = None
    """Explanation of the state, and what to do next."""
    gpu_arch: Arch | None = None
    """Architecture the engine is for. Example: sm_89"""
    product: Line | None = None
    """Product the engine is for; absent when it is for the whole architecture."""
    compatibility: Compatibility | None = None
    """Compatibility level of the build."""
    platform: Line | None = None
    """
    Platform that the engine is built on; it loads on that alone, unless `options.runtimePlatform` says
    another. Example: linux-x86_64
    """
    tensorrt: PinnedTensorRT | None = None
    """The TensorRT that was chosen; it is kept until the spec changes."""
    pool: Line | None = None
    """The BuildPool that builds or built it."""
    tier: Literal["Native", "Bulk"] | None = None
    """Native: built on the product itself. Bulk: built by a pool that covers more than one product."""
    identity: Sha256 | None = None
    """
    SHA-256 over everything that makes this engine what it is; the key of its build and of its place in the
    store.
    """
    uri: EngineUri | None = None
    """Where the engine is. Example: s3://engines/ignition/engines/arcface_r100/..."""
    sha256: Sha256 | None = None
    """SHA-256 of the engine file."""
    size_bytes: Annotated[int, Field(ge=0)] | None = None
    """Size of the engine file, in bytes."""
    source: Literal["Built", "Remote"] | None = None
    """Built: built for this resource. Remote: found in the store, without a build."""
    auto_build: AddedFor | None = None
    """Why a target is here that `spec.targets` does not have; absent for those that it has."""
    progress: Progress | None = None
    """Progress of the running build."""
    built_on: BuiltOn | None = None
    """The hardware and software of the build."""
    build_seconds: Seconds | None = None
    """How long the build took, in seconds."""
    accuracy: AccuracyFigures | None = None
    """Result of `spec.verification.accuracy`; absent when it was not asked for."""
    benchmark: BenchmarkFigures | None = None
    """Result of `spec.verification.benchmark`; absent when it was not asked for."""
    newest: NewestEngine | None = None
    """
    The newest engine that this target had. An earlier one of the same identity is refused, although it is
    signed.
    """
    warnings: Annotated[
        tuple[WarningCount, ...], Field(max_length=64, json_schema_extra=keyed_by("code"))
    ] = ()
    """Warnings of the builder."""
    last_transition_time: Time | None = None
    """When `state` last changed, or the engine of a target that stays `Ready`."""


class Summary(Part):
    """All targets in one line each, for `kubectl get`; a column can show only one value."""

    gpus: Line | None = None
    """Architectures, or products where one was named. Example: sm_86,sm_89"""
    tensorrt: Line | None = None
    """Versions of TensorRT."""
    size: Line | None = None
    """Size of all engines together. Example: 100Mi"""
    build_time: Line | None = None
    """Time the builds took together. Example: 3m33s"""
    digest: Line | None = None
    """The beginning of each engine's SHA-256."""
    added: Line | None = None
    """Targets that were added for pods, and are not in the spec. Example: auto-sm-120"""


class EngineStatus(Part):
    """Observed state."""

    observed_generation: int = -1
    """The `metadata.generation` that this status describes; -1 before it was first processed."""
    conditions: Annotated[
        tuple[Condition, ...], Field(max_length=16, json_schema_extra=keyed_by("type"))
    ] = ()
    """
    Ready, Reconciling and Stalled, of the targets of the spec. AutoBuild, when targets were added for pods,
    or could not be. Wait with: kubectl wait --for=condition=Ready
    """
    ready_targets: Line | None = None
    """Number of ready targets and of all targets of the spec. Example: 1/2"""
    targets: Annotated[
        tuple[TargetStatus, ...], Field(max_length=64, json_schema_extra=keyed_by("name"))
    ] = ()
    """One entry per target, in the order of the spec, and then those that were added for pods."""
    summary: Summary | None = None
    """What `kubectl get` shows."""
    last_handled_rebuild: Annotated[str, Field(max_length=253)] | None = None
    """The value of the annotation ignitionhub.io/rebuild-requested-at that was last handled."""
