"""
The kinds of ``ignitionhub.io/v1alpha1``: TensorRTEngine, BuildPool, EngineStore.

``TensorRTEngine.as_asked(body)`` reads what people wrote of what the API server sent. Unknown fields are left
out, so a newer CRD never stops an older controller; nor does a status, which is read word by word.
"""

from ignition_hub.api.v1alpha1.common import Condition, CustomResource, ObjectMeta, PinnedSource, Source
from ignition_hub.api.v1alpha1.engine import (
    BuildSettings,
    EngineSpec,
    ModelSpec,
    TargetSpec,
    TensorRTEngine,
    TensorRTSpec,
)
from ignition_hub.api.v1alpha1.options import Calibration, MemoryPools, Options, Plugin, VersionCompatible
from ignition_hub.api.v1alpha1.pool import (
    AheadOfTime,
    BuildPool,
    BuildPoolSpec,
    BuildPoolStatus,
    PoolGpu,
    PoolResources,
    PoolRuntime,
    PoolTenant,
    Toleration,
)
from ignition_hub.api.v1alpha1.profiles import BatchSizeSpec, ProfileSpec, ShapeRangeSpec, ValueRangeSpec
from ignition_hub.api.v1alpha1.status import (
    BuiltOn,
    EngineStatus,
    PinnedTensorRT,
    Progress,
    Summary,
    TargetStatus,
    WarningCount,
)
from ignition_hub.api.v1alpha1.store import (
    S3,
    EngineStore,
    EngineStoreSpec,
    EngineStoreStatus,
    ModelSource,
    PluginSource,
    Retention,
    SecretRef,
)
from ignition_hub.api.v1alpha1.verification import Accuracy, AccuracyInputs, Benchmark, Verification

KINDS: tuple[type[CustomResource], ...] = (TensorRTEngine, BuildPool, EngineStore)

__all__ = [
    "KINDS",
    "S3",
    "Accuracy",
    "AccuracyInputs",
    "AheadOfTime",
    "BatchSizeSpec",
    "Benchmark",
    "BuildPool",
    "BuildPoolSpec",
    "BuildPoolStatus",
    "BuildSettings",
    "BuiltOn",
    "Calibration",
    "Condition",
    "CustomResource",
    "EngineSpec",
    "EngineStatus",
    "EngineStore",
    "EngineStoreSpec",
    "EngineStoreStatus",
    "MemoryPools",
    "ModelSource",
    "ModelSpec",
    "ObjectMeta",
    "Options",
    "PinnedSource",
    "PinnedTensorRT",
    "Plugin",
    "PluginSource",
    "PoolGpu",
    "PoolResources",
    "PoolRuntime",
    "PoolTenant",
    "ProfileSpec",
    "Progress",
    "Retention",
    "SecretRef",
    "ShapeRangeSpec",
    "Source",
    "Summary",
    "TargetSpec",
    "TargetStatus",
    "TensorRTEngine",
    "TensorRTSpec",
    "Toleration",
    "ValueRangeSpec",
    "Verification",
    "VersionCompatible",
    "WarningCount",
]
