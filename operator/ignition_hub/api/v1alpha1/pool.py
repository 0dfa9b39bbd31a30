"""
BuildPool: nodes that can build engines, and the runtime images they build with.

The platform team's. Everything that shapes a builder pod is here and nowhere else.
"""

from typing import Annotated, Literal

from pydantic import Field

from ignition_hub.api.schema import (
    AS_SET,
    ATOMIC,
    EVERY_NAMESPACE_IS_LAST,
    KEPT_RULE,
    Arch,
    Duration,
    Flavor,
    Label,
    NamespaceName,
    Part,
    PriorityClass,
    Product,
    Quantity,
    Subdomain,
    keyed_by,
    rule,
    ruled,
    rules,
)
from ignition_hub.api.v1alpha1.common import Condition, CustomResource
from ignition_hub.compatibility.support_matrix import RTX_ARCHS

LABEL_KEYS = rule(
    "self.all(key, !format.qualifiedName().validate(key).hasValue())",
    "every key must be a label name, for example nvidia.com/gpu.product",
)
PLATFORM_LABELS = (
    rule(
        "!('kubernetes.io/arch' in self) || self['kubernetes.io/arch'] in ['amd64', 'arm64']",
        "kubernetes.io/arch must be amd64 or arm64: TensorRT exists for no other processor",
    ),
    rule(
        "!('ignitionhub.io/jetpack' in self) || "
        "self['ignitionhub.io/jetpack'].matches('^[0-9]+([.][0-9]+){1,2}$')",
        "ignitionhub.io/jetpack must be a JetPack release, for example 6.2",
    ),
)
LabelValue = Annotated[str, Field(pattern=r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?)?$", max_length=63)]
ResourceQuantities = Annotated[
    dict[str, Quantity],
    Field(
        max_length=16,
        json_schema_extra=ruled(
            rule(
                "self.all(name, !quantity(string(self[name])).isLessThan(quantity('0')))",
                "every value must be a quantity of at least 0, for example 8Gi",
            )
        ),
    ),
]


class PoolGpu(Part):
    """The GPU of every node in the pool."""

    arch: Arch
    """Architecture. Example: sm_89"""
    product: Product | None = None
    """
    Exact product, as the label nvidia.com/gpu.product spells it; needed to build for a product. Default: the
    pool mixes products of one architecture. Example: NVIDIA-L4
    """
    resource_claim_template_name: Subdomain | None = None
    """
    ResourceClaimTemplate of the build namespace by which a builder pod gets its GPU, on nodes whose GPUs a
    DRA driver serves. Default: the pod asks for one nvidia.com/gpu. Example: l4
    """


class AheadOfTime(Part):
    """A pool that compiles with TensorRT-RTX on the CPU; it needs no GPU."""

    archs: Annotated[
        tuple[Arch, ...],
        Field(
            min_length=1,
            max_length=16,
            json_schema_extra=ruled(
                rule(
                    f"self.all(arch, arch in {list(RTX_ARCHS)})",
                    "TensorRT-RTX compiles ahead of time for "
                    f"{', '.join(RTX_ARCHS[:-1])} and {RTX_ARCHS[-1]}; "
                    "any other GPU needs a pool with that GPU and the TensorRT flavor",
                ),
                **AS_SET,
            ),
        ),
    ]
    """Architectures to compile for. Example: [sm_86, sm_89]"""


class Toleration(Part):
    """A taint that builder pods tolerate, as in a pod."""

    model_config = rules(
        rule(
            "self.operator == 'Exists' ? !has(self.value) || self.value == '' "
            ": has(self.key) && self.key != ''",
            "operator Exists takes no value, and operator Equal needs a key",
        ),
        rule(
            "!has(self.tolerationSeconds) || (has(self.effect) && self.effect == 'NoExecute')",
            "tolerationSeconds needs effect NoExecute",
            at=".tolerationSeconds",
        ),
    )

    key: Annotated[str, Field(max_length=316)] | None = None
    """Key of the taint. Default: every key, with operator Exists. Example: nvidia.com/gpu"""
    operator: Literal["Exists", "Equal"] = "Equal"
    """Exists or Equal. Default: Equal."""
    value: LabelValue | None = None
    """Value of the taint, with operator Equal. Default: the empty value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """Effect of the taint. Default: every effect."""
    toleration_seconds: int | None = None
    """How long a NoExecute taint is tolerated, in seconds. Default: forever."""


class PoolRuntime(Part):
    """One TensorRT this pool can build with."""

    model_config = rules(
        rule(
            "(self.flavor == 'TensorRTRTX') == (int(self.version.split('.')[0]) < 8)",
            "version and flavor contradict each other: TensorRT-RTX counts from 1, TensorRT from 8",
            at=".version",
        )
    )

    flavor: Flavor
    """TensorRT, or TensorRTRTX."""
    version: Annotated[str, Field(pattern=r"^[0-9]{1,4}(\.[0-9]{1,5}){3}$", max_length=24)]
    """
    The full version in the image, four parts; an engine loads only in exactly this one. The builder compares
    it with what it really has. Example: 10.13.2.6
    """
    image: Annotated[str, Field(min_length=1, max_length=512, pattern=r"^[^\s]+$")]
    """The builder image. Example: registry.example.com/ignition-builder:trt-10.13.2"""


class PoolResources(Part):
    """Resource requests and limits of a builder pod, as in a container. The operator adds the GPU."""

    requests: ResourceQuantities = Field(default_factory=dict)
    """Requested amounts by resource name. Default: none. Example: {cpu: "2", memory: 8Gi}"""
    limits: ResourceQuantities = Field(default_factory=dict)
    """
    Upper bounds by resource name; a build needs about 3 times the model's weights in memory, and with
    TensorRT 8.6 5Gi besides for its kernels, with 8.5 2.5Gi. Default: none. Example: {memory: 16Gi}
    """


class PoolTenant(Part):
    """How the builds of some namespaces are scheduled. Only the platform team decides it."""

    namespaces: Annotated[
        tuple[NamespaceName, ...], Field(min_length=1, max_length=256, json_schema_extra=AS_SET)
    ]
    """Namespaces whose builds these are; "*" stands for all. Example: [vision]"""
    queue_name: Label | None = None
    """
    Kueue LocalQueue, in the build namespace, that admits their builds. Default: none, a build starts as soon
    as the pool has a place. Example: vision
    """
    priority_class_name: PriorityClass | None = None
    """PriorityClass of their builder pods. Default: none. Example: low"""
    weight: Annotated[int, Field(ge=1, le=100)] = 1
    """
    Places that each of the namespaces has in a round of the pool's queue: while more builds wait than
    maxConcurrentBuilds allows, one with weight 3 starts three for each of one with weight 1. Default: 1.
    """
    may_name: Annotated[
        tuple[Literal["queueName", "priorityClassName"], ...],
        Field(max_length=2, json_schema_extra=AS_SET),
    ] = ()
    """
    Fields of `spec.build` by which their TensorRTEngines may name another queue, or another priority class:
    any. A TensorRTEngine that names one without this is Unbuildable. Default: none.
    """


class PoolAutoBuild(Part):
    """
    Builds for GPUs that pods run on and that no target of their TensorRTEngine serves. A target is then added
    in the status of the TensorRTEngine; its spec is not changed.
    """

    namespaces: Annotated[
        tuple[NamespaceName, ...], Field(min_length=1, max_length=256, json_schema_extra=AS_SET)
    ]
    """Namespaces whose TensorRTEngines get such targets; "*" stands for all. Example: [vision]"""
    max_targets_per_namespace: Annotated[int, Field(ge=1, le=1000)] = 4
    """
    Targets that the TensorRTEngines of one namespace have from this pool, all together. Those of a spec do
    not count. Default: 4.
    """
    max_targets: Annotated[int, Field(ge=1, le=10000)] = 32
    """Targets that the TensorRTEngines of all namespaces have from this pool, all together. Default: 32."""
    keep_unneeded: Annotated[Duration, Field(json_schema_extra=ruled(KEPT_RULE))] = "24h"
    """
    How long such a target stays when no pod needs it any more. Its engine is then one that no resource uses:
    spec.retention of the EngineStore says how long the store keeps it. Default: 24h.
    """


class BuildPoolSpec(Part):
    """Which nodes build, for which GPUs, with which TensorRT."""

    model_config = rules(
        rule(
            "has(self.gpu) != has(self.aheadOfTime)",
            "exactly one of gpu (nodes with that GPU) and aheadOfTime (TensorRT-RTX on a CPU) must be given",
        ),
        rule(
            "!has(self.aheadOfTime) || self.runtimes.all(r, r.flavor == 'TensorRTRTX')",
            "only flavor TensorRTRTX compiles ahead of time; TensorRT itself needs the GPU it builds for",
            at=".runtimes",
        ),
        rule(
            "!has(self.gpu) || !has(self.gpu.resourceClaimTemplateName) || !has(self.resources) || "
            "[has(self.resources.requests) ? self.resources.requests : {}, "
            "has(self.resources.limits) ? self.resources.limits : {}]"
            ".all(amounts, amounts.all(name, !name.startsWith('nvidia.com/')))",
            "a builder pod gets its GPU by the claim of gpu.resourceClaimTemplateName or by a resource of "
            "nvidia.com, not by both",
            at=".resources",
        ),
    )

    gpu: PoolGpu | None = None
    """The GPU of every node in the pool. Give this or aheadOfTime."""
    ahead_of_time: AheadOfTime | None = None
    """Compile without a GPU. Give this or gpu."""
    node_selector: Annotated[
        dict[str, LabelValue], Field(max_length=32, json_schema_extra=ruled(LABEL_KEYS, *PLATFORM_LABELS))
    ] = Field(default_factory=dict)
    """
    Labels of the nodes that build. `kubernetes.io/arch: arm64` makes the pool build for aarch64, and
    `ignitionhub.io/jetpack` names the JetPack release of Jetson nodes. Default: any node.
    Example: {nvidia.com/gpu.product: NVIDIA-L4}
    """
    tolerations: Annotated[tuple[Toleration, ...], Field(max_length=32, json_schema_extra=ATOMIC)] = ()
    """Taints that builder pods tolerate. Default: none. Example: [{key: nvidia.com/gpu, operator: Exists}]"""
    runtime_class_name: Subdomain | None = None
    """
    RuntimeClass of builder pods, where nvidia is not the default runtime. Default: none. Example: nvidia
    """
    host_users: bool | None = None
    """
    `false` gives each builder pod a user namespace of its own: root in it is not a user of the node. Needs
    Kubernetes 1.33, and nodes whose kernel and container runtime have it. Default: what the cluster does.
    """
    runtimes: Annotated[
        tuple[PoolRuntime, ...],
        Field(min_length=1, max_length=16, json_schema_extra=keyed_by("flavor", "version")),
    ]
    """Every TensorRT this pool can build with, at least one."""
    resources: PoolResources = PoolResources()
    """Resource requests and limits of a builder pod. Default: only the GPU."""
    max_concurrent_builds: Annotated[int, Field(ge=0, le=1000)] = 1
    """
    Builds at one time; further ones are Queued. 0 starts none. Default: 1. Two on one GPU disturb each
    other's timings.
    """
    tenants: Annotated[
        tuple[PoolTenant, ...],
        Field(max_length=64, json_schema_extra=ruled(EVERY_NAMESPACE_IS_LAST, **ATOMIC)),
    ] = ()
    """
    Queue, priority class and share of the builds of namespaces, in order of precedence: for a namespace the
    first entry that lists it counts, and for a build that several namespaces wait for the first that lists
    any of them, in whatever order they ask. Default: none; builds have no queue and no priority class, no
    TensorRTEngine may name one, and namespaces have equal shares.
    """
    auto_build: PoolAutoBuild | None = None
    """
    Build for the GPUs of pods that no target of their TensorRTEngine serves, within these limits. Default:
    build only what a spec asks for.
    """


class BuildPoolStatus(Part):
    """What was found about the pool."""

    observed_generation: int | None = None
    """The generation of the spec that this status speaks of."""
    conditions: Annotated[
        tuple[Condition, ...], Field(max_length=16, json_schema_extra=keyed_by("type"))
    ] = ()
    """Ready, when the pool can build; the message says what. Stalled, while only another spec would help."""
    running_builds: Annotated[int, Field(ge=0)] | None = None
    """Builds that take a place of maxConcurrentBuilds, as counted some seconds ago."""
    queued_builds: Annotated[int, Field(ge=0)] | None = None
    """Builds that wait for a place, or for their queue to admit them."""


class BuildPool(CustomResource):
    """Nodes that can build TensorRT engines, and the images they build with. Owned by the platform team."""

    model_config = rules(
        rule(
            "size(self.metadata.name) <= 63",
            "the name becomes a label on builds: it has at most 63 characters",
        )
    )

    kind: str = "BuildPool"
    """Kind of this object."""
    spec: BuildPoolSpec
    """Which nodes build, for which GPUs, with which TensorRT."""
    status: BuildPoolStatus = BuildPoolStatus()
    """What was found about the pool."""
