"""
From the API's models to the contract's dataclasses: the edge where pydantic stops.

Everything an identity is made of passes through here, so values that mean the same become the same: an
option at its default is left out, a quantity is a number of bytes, a set is sorted.
"""

from collections.abc import Mapping
from typing import Any

from ignition_hub.api.quantities import bytes_of, seconds_of
from ignition_hub.api.v1alpha1 import (
    BuildPool,
    ProfileSpec,
    ShapeRangeSpec,
    TargetSpec,
    TensorRTEngine,
    ValueRangeSpec,
)
from ignition_hub.compatibility.auto_build import AutoBuild
from ignition_hub.compatibility.gpus import KUBERNETES_ARCH
from ignition_hub.compatibility.option_row import OptionFields
from ignition_hub.compatibility.options import FIELDS
from ignition_hub.compatibility.spelling import SHARED
from ignition_hub.compatibility.tenants import Scheduling, Tenant, Tenants
from ignition_hub.compatibility.verdict import PoolFacts
from ignition_hub.engine.identity import BatchRange, Profile, ShapeRange, Target
from ignition_hub.engine.names import LABEL_JETPACK

NVIDIA = "nvidia.com/"
SHARING = ".sharing-strategy"
"""What the label ends with that says how a GPU resource is shared: cards have one, and each MIG slice."""


def targets_of(engine: TensorRTEngine) -> tuple[Target, ...]:
    """Return the targets of an engine in the order of its spec, every one with its name."""
    return tuple(
        Target(
            name=target_name(target),
            gpu_arch=target.gpu_arch,
            product=target.product,
            compatibility=target.compatibility,
        )
        for target in engine.spec.targets
    )


def target_name(target: TargetSpec) -> str:
    """Return the name of a target: as given, else the product or the architecture as a DNS label."""
    # The CRD's rule on unique names computes the same; see UNIQUE_NAMES in v1alpha1/engine.py.
    return target.name or (target.product or target.gpu_arch).lower().replace("_", "-").replace(".", "-")


def profiles_of(engine: TensorRTEngine) -> tuple[Profile, ...]:
    """Return the optimization profiles of an engine; none when every input has a fixed shape."""
    return tuple(_profile(profile) for profile in engine.spec.profiles)


def _profile(profile: ProfileSpec) -> Profile:
    batch = profile.batch_size
    return Profile(
        shapes=_ranges(profile.shapes),
        values=_ranges(profile.values),
        batch_size=BatchRange(batch.min, batch.opt, batch.max) if batch else None,
        max_sequence_length=profile.max_sequence_length,
    )


def _ranges(written: Mapping[str, ShapeRangeSpec | ValueRangeSpec]) -> dict[str, ShapeRange]:
    return {name: ShapeRange(shape.min, shape.opt, shape.max) for name, shape in written.items()}


def options_of(engine: TensorRTEngine) -> dict[str, Any]:
    """
    Return the options that differ from TensorRT's defaults, by their API names.

    Memory is in bytes, and what has no order is sorted. An option left out and an option set to its default
    give one identity, also when a later release knows more options.
    """
    return _spelt(engine.spec.options.model_dump(mode="json", by_alias=True, exclude_defaults=True), FIELDS)


def _spelt(document: Mapping[str, Any], fields: OptionFields) -> dict[str, Any]:
    spelt: dict[str, Any] = {}
    for name, value in document.items():
        field = fields[name]
        if isinstance(field, Mapping):
            spelt[name] = _spelt(value, field)
        elif field.kind == "Bytes":
            spelt[name] = bytes_of(value)
        elif field.kind == "Words":
            spelt[name] = sorted(value)
        elif isinstance(value, list):
            spelt[name] = sorted(value, key=lambda file: str(file["name"]))
        else:
            spelt[name] = value
    return spelt


def verification_of(engine: TensorRTEngine) -> dict[str, Any]:
    """Return the checks asked for, with every figure in force; empty when there are none."""
    verification = engine.spec.verification
    document = verification.model_dump(mode="json", by_alias=True, exclude_none=True)
    if verification.benchmark and verification.benchmark.max_latency:
        document["benchmark"]["maxLatency"] = seconds_of(verification.benchmark.max_latency)
    return document


def calibration_digest_of(engine: TensorRTEngine) -> str | None:
    """Return the SHA-256 of the calibration data, 64 hex digits."""
    calibration = engine.spec.options.calibration
    return calibration.source.sha256 if calibration else None


def plugin_digests_of(engine: TensorRTEngine) -> tuple[str, ...]:
    """Return the SHA-256 of every plugin library, sorted."""
    return tuple(sorted(plugin.source.sha256 for plugin in engine.spec.options.plugins))


def timeout_seconds_of(engine: TensorRTEngine) -> int:
    """Return how long one build may take, in whole seconds."""
    return round(seconds_of(engine.spec.build.timeout))


def pool_facts(pool: BuildPool) -> list[PoolFacts]:
    """Return what a pool can build, one entry for each flavor it has runtimes of."""
    gpu, ahead_of_time = pool.spec.gpu, pool.spec.ahead_of_time
    archs = ahead_of_time.archs if ahead_of_time else (gpu.arch,) if gpu else ()
    flavors = sorted({runtime.flavor for runtime in pool.spec.runtimes})
    return [
        PoolFacts(
            name=pool.metadata.name,
            flavor=flavor,
            versions=tuple(runtime.version for runtime in pool.spec.runtimes if runtime.flavor == flavor),
            archs=tuple(archs),
            product=gpu.product if gpu else None,
            ahead_of_time=ahead_of_time is not None,
            platform=platform_of(pool),
            tenants=tenants_of(pool),
            shared_by=shared_by(pool),
            auto_build=auto_build_of(pool),
        )
        for flavor in flavors
    ]


def shared_by(pool: BuildPool) -> str:
    """
    Return what says that a pool's GPUs are shared: its nodeSelector, or the resource that builders request.

    Feature discovery writes no ``-SHARED`` where the device plugin renames the resource.
    """
    labels = [
        f"{key}: {value}"
        for key, value in sorted(pool.spec.node_selector.items())
        if (key.endswith(SHARING) and value not in ("", "none"))
        or (key.startswith(NVIDIA) and key.endswith(".product") and value.endswith(SHARED))
    ]
    resources = {**pool.spec.resources.requests, **pool.spec.resources.limits}
    renamed = [key for key in sorted(resources) if key.startswith(NVIDIA) and key.endswith(".shared")]
    return next(iter([*labels, *renamed]), "")


def auto_build_of(pool: BuildPool) -> AutoBuild | None:
    """Return for whom a pool builds what no specification asks for; None when for nobody."""
    asked = pool.spec.auto_build
    if asked is None:
        return None
    return AutoBuild(
        namespaces=frozenset(asked.namespaces),
        max_targets_per_namespace=asked.max_targets_per_namespace,
        max_targets=asked.max_targets,
        keep_unneeded=seconds_of(asked.keep_unneeded),
    )


def tenants_of(pool: BuildPool) -> Tenants:
    """Return how a pool schedules the builds of namespaces, in order of precedence."""
    return tuple(
        Tenant(
            namespaces=frozenset(tenant.namespaces),
            queue_name=tenant.queue_name,
            priority_class_name=tenant.priority_class_name,
            may_name=frozenset(tenant.may_name),
            weight=tenant.weight,
        )
        for tenant in pool.spec.tenants
    )


def scheduling_of(engine: TensorRTEngine) -> Scheduling:
    """Return which queue and priority class an engine names; without a namespace it is applied to default."""
    build = engine.spec.build
    return Scheduling(engine.metadata.namespace or "default", build.queue_name, build.priority_class_name)


def platform_of(pool: BuildPool) -> str:
    """Return what the nodes of a pool run: ``linux-x86_64``, ``linux-aarch64`` or ``jetpack-<release>``."""
    if release := pool.spec.node_selector.get(LABEL_JETPACK):
        return f"jetpack-{release}"
    return "linux-aarch64" if pool.spec.node_selector.get(KUBERNETES_ARCH) == "arm64" else "linux-x86_64"
