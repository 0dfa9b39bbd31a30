"""
What the controller sees and what it plans, as frozen values.

``observe`` fills the views from the cluster and the bucket; ``decide`` a ``TargetSnapshot`` into a ``Plan``;
``status`` writes plans down. Nothing here can reach anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ignition_hub.api.quotas import StorageUse
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.compatibility.tenants import UNSCHEDULED, Scheduling, Tenants, naming_refusal
from ignition_hub.engine.enums import StrEnum
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import EngineInputs, Profile, Target
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.request import READ_WRITE
from ignition_hub.engine.state import State


@dataclass(frozen=True, slots=True)
class TensorRTRequest:
    """Which TensorRT was asked for; None stands for whatever the pools offer."""

    flavor: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a build may take with all its retries, and how many retries it has."""

    timeout_seconds: int = 7200
    retries: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildParameters:
    """How to build; no part of the identity."""

    patience: Patience = Patience()
    scheduling: Scheduling = UNSCHEDULED
    """As one resource asks for it, or as the pool decided."""
    low_memory: bool = False
    timing_cache: str = READ_WRITE


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierTarget:
    """What the status says about a target: our own answer of an earlier pass."""

    state: str
    reason: str = ""
    identity: str | None = None
    source: str | None = None
    tensorrt: TensorRTRequest | None = None
    pool: str | None = None
    document: Mapping[str, Any] = field(default_factory=dict)
    """The entry as it stands in the status."""

    @property
    def platform(self) -> str | None:
        """The platform of its engine; None while none is chosen, and in a status of an earlier release."""
        return self.document.get("platform")

    def was_ready_as(self, identity: str | None) -> bool:
        """Tell whether this target was Ready with that identity."""
        return self.state == State.READY and identity is not None and self.identity == identity


@dataclass(frozen=True, slots=True, kw_only=True)
class AddedTarget:
    """
    A target that the specification does not have, and why it is there: ``status.targets[].autoBuild``.

    ``since`` and ``unneeded_since`` are RFC 3339; ``pod`` and ``node`` those that needed it first.
    """

    target: Target
    pool: str
    since: str
    gpu: str
    pod: str
    node: str
    unneeded_since: str | None = None

    @property
    def why(self) -> str:
        """Why it is there, in words."""
        return (
            f"no target of spec.targets serves {self.gpu} of node {self.node}, where pod {self.pod} is; "
            f"BuildPool {self.pool} builds for it"
        )

    def document(self) -> dict[str, str]:
        """Return it as the status has it."""
        names = {
            "pool": self.pool,
            "since": self.since,
            "gpu": self.gpu,
            "pod": self.pod,
            "node": self.node,
        }
        return {**names, **({"unneededSince": self.unneeded_since} if self.unneeded_since else {})}


@dataclass(frozen=True, slots=True)
class Need:
    """A pod, the node that it is bound to, and the GPU that it has there."""

    pod: str
    uid: str
    node: str
    gpu: NodeGpu


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why nothing is built for a pod, with what would work."""

    need: Need
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Additions:
    """
    The added targets of one TensorRTEngine: all of them, the needs that new ones are for, and those that end.

    ``recheck`` is in how many seconds to look again; None is when something happens.
    """

    targets: tuple[AddedTarget, ...] = ()
    new: tuple[tuple[AddedTarget, Need], ...] = ()
    removed: tuple[AddedTarget, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    recheck: float | None = None

    @property
    def new_pools(self) -> list[str]:
        """The pool of each new target."""
        return [one.pool for one, _ in self.new]


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSnapshot:
    """One TensorRTEngine: its spec in contract types, and its status."""

    namespace: str
    name: str
    uid: str
    generation: int
    created: float
    """Seconds since the epoch, as the API server stamped it."""
    model_name: str
    model_version: str
    source_uri: str
    source_sha256: str | None
    precision: str
    profiles: tuple[Profile, ...]
    tensorrt: TensorRTRequest
    targets: tuple[Target, ...]
    options: Mapping[str, Any]
    verification: Mapping[str, Any]
    calibration_digest: str | None = None
    plugin_digests: tuple[str, ...] = ()
    build: BuildParameters
    suspended: bool = False
    rebuild: str | None = None
    """Value of the annotation that asks for another attempt."""
    observed_generation: int = -1
    handled_rebuild: str | None = None
    earlier: Mapping[str, EarlierTarget] = field(default_factory=dict)
    status: Mapping[str, Any] = field(default_factory=dict)
    """The status as it stands."""
    added: tuple[AddedTarget, ...] = ()
    """Targets that are built for pods, beside those of the specification."""

    @property
    def every_target(self) -> tuple[Target, ...]:
        """The targets of the specification, and then those that were added."""
        return (*self.targets, *(one.target for one in self.added))

    @property
    def spec_is_new(self) -> bool:
        """Tell whether the status speaks of an earlier spec, or of none."""
        return self.observed_generation != self.generation

    @property
    def open_rebuild(self) -> str | None:
        """The rebuild request that nobody has answered yet."""
        return self.rebuild if self.rebuild != self.handled_rebuild else None

    @property
    def restart_is_asked(self) -> bool:
        """Tell whether a failure that the status reports was answered with a change or a rebuild request."""
        return self.spec_is_new or self.rebuild != self.handled_rebuild


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that keeps a target from being decided on or built."""

    reason: Reason
    message: str
    unknown: bool = False
    """Nothing was learned (the store is away): what was known before still stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedTarget:
    """The engine a target needs, and the pool that would build it."""

    identity: str
    inputs: EngineInputs
    pool: str | None
    tier: str | None
    tenants: Tenants = ()
    """Of that pool."""


class JobState(StrEnum):
    """Where a Job is."""

    ACTIVE = "Active"
    SUSPENDED = "Suspended"
    COMPLETE = "Complete"
    FAILED = "Failed"
    GOING = "Going"
    """It carries a deletion timestamp."""


ENDED = frozenset({JobState.COMPLETE, JobState.FAILED})


@dataclass(frozen=True, slots=True)
class BuildProgress:
    """What the builder says it is doing, and how much of that is done."""

    phase: str
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """The Job of an identity."""

    name: str
    uid: str
    state: JobState
    age: float
    """Seconds since it was created."""
    pool: str = ""
    namespace: str = ""
    """Namespace of the resource that asked first."""
    resource: str = ""
    """Its name."""
    tenant: str = ""
    """Namespace whose entry of the pool's tenants decided on its queue and priority class."""
    model_uri: str = ""
    """What that resource let the builder read."""
    rebuild: str | None = None
    """The request for another build that it was made for; its engine replaces a published one."""
    finished: float | None = None
    """Seconds since the epoch."""
    ended_for: float = 0.0
    """Seconds since it ended; 0 until then."""
    progress: BuildProgress | None = None
    timeout_seconds: int | None = None
    """How long it may take with all retries."""
    ended_after_retries: int | None = None
    """The retries after which Kubernetes gave it up; None when something else ended it."""
    low_memory: bool = False
    timing_cache: str = READ_WRITE
    failure: Trouble | None = None
    obstacle: Trouble | None = None
    """Why the builder pod does not start."""

    @property
    def has_no_pod_at_work(self) -> bool:
        """Tell whether its queue, its quota or its priority holds it back: to delete it ends no work."""
        obstacle = self.obstacle.reason if self.obstacle else None
        return self.state is JobState.SUSPENDED or obstacle in {Reason.Queued, Reason.Unschedulable}


@dataclass(frozen=True, slots=True)
class QueuePosition:
    """A place in the queue of a pool: how many builds go first, and how many run at a time."""

    ahead: int
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetSnapshot:
    """Everything one target's decision is made from."""

    target: Target
    engine: EngineSnapshot
    trouble: Trouble | None = None
    """With the store or the model's source; then nothing below is known."""
    unbuildable: Trouble | None = None
    wanted: ResolvedTarget | None = None
    possession: Trouble | None = None
    """Set while it is not proven that this namespace can read the very bytes it pins."""
    manifest: Manifest | None = None
    refused: Trouble | None = None
    """The manifest is there and must not be believed."""
    job: JobSnapshot | None = None
    full_quota: StorageUse | None = None
    """Set when a build is due and no namespace that waits for it has room in the store."""
    queue_position: QueuePosition | None = None
    """None: the build may start now."""
    is_shared: bool = False
    """Whether another namespace is known to need the same engine."""
    bucket: str = ""
    """Where the manifest was found; the engine's URI begins with it."""

    @property
    def earlier(self) -> EarlierTarget | None:
        """What the status says about this target."""
        return self.engine.earlier.get(self.target.name)

    @property
    def newest(self) -> Mapping[str, Any] | None:
        """The newest engine that the status remembers: identity, sha256 and builtAt."""
        return self.earlier.document.get("newest") if self.earlier else None

    @property
    def ended_without_engine(self) -> bool:
        """Tell whether the Job ended and there is no engine that could be used."""
        return self.job is not None and self.job.state in ENDED and self.manifest is None

    @property
    def naming_refusal(self) -> str | None:
        """Why the pool does not let the namespace name the queue or the priority class that it names."""
        if self.wanted is None or self.wanted.pool is None:
            return None
        return naming_refusal(self.wanted.pool, self.wanted.tenants, self.engine.build.scheduling)

    def has_seen_newer(self, manifest: Manifest) -> bool:
        """Tell whether the status remembers an engine that had replaced the one of ``manifest``."""
        newest = self.newest or {}
        same = newest.get("identity") == manifest.identity
        return same and manifest.is_rolled_back(newest["builtAt"], newest["sha256"])

    @property
    def was_ready(self) -> bool:
        """Tell whether the status calls this target Ready with the engine it needs now."""
        identity = self.wanted.identity if self.wanted else None
        return self.earlier is not None and self.earlier.was_ready_as(identity)


class JobAction(StrEnum):
    """The one request a plan makes besides the status."""

    NONE = "None"
    CREATE_JOB = "CreateJob"
    DELETE_JOB = "DeleteJob"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What becomes of a target in this pass."""

    state: State
    reason: Reason
    message: str = ""
    action: JobAction = JobAction.NONE
    stalled: bool = False
    """Only a person can change this."""
    unknown: bool = False
    """Whether the engine is there cannot be said now."""
    keeps_status: bool = False
    """What the status says about the target stands, word for word."""
    defers_rebuild: bool = False
    """A request for another build has no Job yet, so it must not be called handled."""
    at_once: bool = False
    """Must be written in this pass, although it is no end."""
    back_off: bool = False
    """Look again after the key's back-off."""
    recheck: float | None = None
    """Look again after so many seconds; None: when something happens."""
    manifest: Manifest | None = None
    source: str | None = None
    progress: BuildProgress | None = None
