"""
Observe: gather what the decisions about one TensorRTEngine need.

From the mirrors (resources, Jobs, pools), from the store (the model's facts, manifests) and, only for a build
in trouble, from its pods. The order matters: the namespace's right to read the model is checked against the
real object before anything the store holds may help it, and its right to every other file the spec names.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from ignition_hub.api.quotas import StorageUse
from ignition_hub.compatibility.verdict import PoolFacts
from ignition_hub.controller.adapters.cluster import Cluster
from ignition_hub.controller.policy import job_status
from ignition_hub.controller.policy.added_targets import pools_of, tensorrt_of
from ignition_hub.controller.policy.parsing import pool_facts
from ignition_hub.controller.policy.ports import ModelFacts, Store, World
from ignition_hub.controller.policy.resolution import cannot_be_requested, shared_inputs, want
from ignition_hub.controller.policy.views import (
    EngineSnapshot,
    JobSnapshot,
    JobState,
    ResolvedTarget,
    TargetSnapshot,
    TensorRTRequest,
    Trouble,
)
from ignition_hub.engine.errors import IgnitionError, Reason, TransientError
from ignition_hub.engine.identity import SharedInputs, Target
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.naming import job_name
from ignition_hub.engine.pinned import pinned_files
from ignition_hub.engine.request import PLUGIN
from ignition_hub.kube import Object
from ignition_hub.store.errors import RolledBack
from ignition_hub.ttl_cache import TtlCache

PROOF_PATIENCE = 2.0
"""Seconds one pass waits for a digest; it is computed on, and the next pass finds it."""

LISTED_SECONDS = 30.0
"""How long a listing of what a namespace pushed counts; the gateway asks again when bytes come in."""

RANGES_INLINE = 512
"""Ranges of all profiles that are written down on the loop; more are in a thread."""
SHARED_KEPT = 128
"""Specs whose shared part is kept, of up to 128 KiB each: what takes long is made once a generation."""


@dataclass(frozen=True, slots=True)
class _Pin:
    """What a spec says about one object: its SHA-256, and the field that says so."""

    field: str
    uri: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Observation:
    """All targets of an engine, and the size of its model in bytes."""

    targets: list[TargetSnapshot]
    model_size: int | None = None


class Observer:
    """Observes engines; ``now`` gives seconds since the epoch."""

    def __init__(self, cluster: Cluster, world: World, *, now: Callable[[], float]) -> None:
        self._cluster = cluster
        self._world = world
        self._now = now
        self._models: TtlCache[tuple[str, str], ModelFacts | None] = TtlCache(seconds=2.0)
        self._files: TtlCache[tuple[str, str], bool] = TtlCache(seconds=2.0)
        self._manifests: TtlCache[str, Manifest | None] = TtlCache(seconds=2.0)
        self._digests: TtlCache[tuple[str, str, int], str] = TtlCache(seconds=86400.0)
        self._shared: TtlCache[tuple[str, int], SharedInputs] = TtlCache(seconds=86400.0, size=SHARED_KEPT)
        self._pushed: TtlCache[tuple[str, str], int] = TtlCache(seconds=LISTED_SECONDS)
        self._failures: TtlCache[str, Trouble] = TtlCache(seconds=86400.0)
        self._pools: tuple[list[Object], list[PoolFacts]] = ([], [])

    async def observe(self, engine: EngineSnapshot) -> Observation:
        """Return what is known about every target of ``engine``; beyond its namespace's limit, only that."""
        if excess := self._cluster.engines.excess(engine.namespace, engine.name):
            return _troubled(engine, excess)
        try:
            store = await self._world.store()
            model = await self._model(store, engine)
        except IgnitionError as error:
            model = _trouble(error)
        if isinstance(model, Trouble):
            return _troubled(engine, model)
        targets = [
            self._target(store, engine, target, wanted, model)
            for target, wanted in await self._wanted(engine, self.pool_facts(), model)
        ]
        return Observation(list(await asyncio.gather(*targets)), model.size)

    async def with_quota(self, snapshot: TargetSnapshot, namespaces: Iterable[str]) -> TargetSnapshot:
        """
        Return a target whose build is due with what keeps it from the store, if anything does.

        ``namespaces`` wait for it, its own first: one that has room, or no quota, suffices.
        """
        identity, full = snapshot.wanted.identity if snapshot.wanted else "", None
        try:
            store, asked = await self._world.store(), set[str]()
            for namespace in namespaces:
                if namespace in asked:
                    continue
                asked.add(namespace)
                use = await self._use(store, namespace, identity)
                if use is None or not use.is_full:
                    return snapshot
                full = full or use
        except IgnitionError as error:
            return replace(snapshot, trouble=_trouble(error))
        return replace(snapshot, full_quota=full)

    async def _use(self, store: Store, namespace: str, identity: str) -> StorageUse | None:
        """Return what a namespace uses of its quota, but for an engine that is replaced; None: no quota."""
        quota = store.quota(namespace)
        if quota is None:
            return None
        pushed = await self._pushed.get((store.bucket, namespace), lambda: store.pushed_bytes(namespace))
        sizes = self._cluster.engines.sizes
        used = pushed + sizes.bytes_in(namespace) - sizes.size_of(namespace, identity)
        return StorageUse(namespace, used, quota)

    def pool_facts(self) -> list[PoolFacts]:
        """Return what the pools can build; they are read again when one of them changed."""
        bodies = list(self._cluster.pools)
        if bodies != self._pools[0]:  # quick: what did not change is the same object
            self._pools = bodies, pool_facts(bodies)
        return self._pools[1]

    async def _model(self, store: Store, engine: EngineSnapshot) -> ModelFacts | Trouble:
        uri = engine.source_uri
        if refusal := store.refusal(engine.namespace, uri) or _file_refusal(store, engine):
            return Trouble(Reason.SourceForbidden, refusal)
        if uri.endswith("/") and engine.source_sha256 is not None:
            message = f"{uri} is a bundle, but source.sha256 pins a single file: remove source.sha256"
            return Trouble(Reason.InvalidRequest, message)
        facts = await self._models.get((store.bucket, uri), lambda: store.model(uri))
        if facts is None:
            return Trouble(
                Reason.SourceNotFound, f"{uri} does not exist; upload the model and the check is retried"
            )
        return facts

    async def _wanted(
        self, engine: EngineSnapshot, pools: Sequence[PoolFacts], model: ModelFacts
    ) -> list[tuple[Target, ResolvedTarget | Trouble]]:
        shared = await self._shared.get((engine.uid, engine.generation), partial(_shared_inputs, engine))
        if refusal := cannot_be_requested(shared):
            return [(target, refusal) for target in engine.every_target]
        wanted: list[tuple[Target, ResolvedTarget | Trouble]] = []
        for target in engine.targets:
            wanted.append((target, want(engine, target, pools, model, shared=shared)))
            await asyncio.sleep(0)  # the loop has others to serve, and an engine up to 64 targets
        like_them = replace(engine, tensorrt=tensorrt_of(engine.tensorrt, _tensorrts(wanted)))
        return wanted + [
            (one.target, want(like_them, one.target, pools_of(one, pools), model, shared=shared))
            for one in engine.added
        ]

    async def _target(
        self,
        store: Store,
        engine: EngineSnapshot,
        target: Target,
        wanted: ResolvedTarget | Trouble,
        model: ModelFacts,
    ) -> TargetSnapshot:
        if isinstance(wanted, Trouble):
            return TargetSnapshot(target=target, engine=engine, unbuildable=wanted)
        snapshot = TargetSnapshot(target=target, engine=engine, wanted=wanted, bucket=store.bucket)
        try:
            snapshot = replace(snapshot, job=await self._job(wanted.identity))
            snapshot = await self._with_manifest(store, snapshot, wanted)
            if missing := await self._missing_file(store, snapshot):
                return replace(snapshot, trouble=missing)
            return replace(snapshot, possession=await self._possession(store, snapshot, model))
        except IgnitionError as error:
            return replace(snapshot, trouble=_trouble(error))

    async def _with_manifest(
        self, store: Store, snapshot: TargetSnapshot, wanted: ResolvedTarget
    ) -> TargetSnapshot:
        job = snapshot.job
        at_work = job is not None and job.state in {JobState.ACTIVE, JobState.SUSPENDED}
        if job is not None and at_work and job.rebuild is None and not snapshot.was_ready:
            return snapshot  # it cannot be there yet, and a bucket is not to be polled
        try:
            return replace(snapshot, manifest=await self._manifest(store, wanted, snapshot))
        except IgnitionError as error:
            if error.reason is not Reason.ManifestRefused:
                raise
            return replace(snapshot, refused=Trouble(error.reason, str(error)))

    async def _manifest(
        self, store: Store, wanted: ResolvedTarget, snapshot: TargetSnapshot
    ) -> Manifest | None:
        job = snapshot.job
        # The Job is part of the question: what was not there before it ended is asked for anew after.
        question = f"{store.bucket}/{wanted.identity}/{job.uid + job.state if job else ''}"
        found = await self._manifests.get(question, lambda: store.find(wanted.inputs, wanted.identity))
        if found is not None and snapshot.has_seen_newer(found):
            # An answer that is remembered may be older than the status: only the store's own counts.
            self._manifests.forget(question)
            found = await store.find(wanted.inputs, wanted.identity)
            if found is not None and snapshot.has_seen_newer(found):
                raise RolledBack(found.built_at)
        if found is None:
            self._manifests.forget(question)
        return found

    async def _missing_file(self, store: Store, snapshot: TargetSnapshot) -> Trouble | None:
        """Return which file a build would lack; once there is an engine nobody reads them again."""
        if snapshot.manifest is not None or snapshot.job is not None or snapshot.was_ready:
            return None
        for file in pinned_files(snapshot.engine.options, snapshot.engine.verification):
            if not await self._files.get((store.bucket, file.uri), partial(store.exists, file.uri)):
                message = f"spec.{file.field}: {file.uri} does not exist; upload it and the check is retried"
                return Trouble(Reason.SourceNotFound, message)
        return None

    async def _possession(self, store: Store, snapshot: TargetSnapshot, model: ModelFacts) -> Trouble | None:
        """Return what is missing to the proof that this namespace can read the bytes it pins."""
        engine = snapshot.engine
        shared = snapshot.manifest is not None or snapshot.job is not None or _was_another(snapshot)
        if not shared or snapshot.was_ready or _is_own(snapshot.job, engine):
            return None
        if engine.source_sha256 is not None:
            pin = _Pin("spec.model.source.sha256", engine.source_uri, engine.source_sha256)
            if missing := await self._proof(store, engine.namespace, pin, model):
                return missing
        # An engine holds what was measured on its calibration data, and the code of its plugins.
        for file in pinned_files(engine.options, engine.verification):
            pin = _Pin(f"spec.{file.field}.sha256", file.uri, file.sha256)
            if missing := await self._proof(store, engine.namespace, pin, None):
                return missing
        return None

    async def _proof(
        self, store: Store, namespace: str, pin: _Pin, facts: ModelFacts | None
    ) -> Trouble | None:
        """Return why an object is not yet known to have the digest that is pinned; None when it has."""
        if store.is_pushed(namespace, pin.uri, pin.sha256):
            return None
        facts = facts or await self._models.get((store.bucket, pin.uri), lambda: store.model(pin.uri))
        if facts is None:
            message = f"{pin.field}: {pin.uri} does not exist; upload it and the check is retried"
            return Trouble(Reason.SourceNotFound, message)
        proof = self._digests.get((pin.uri, facts.etag, facts.size), lambda: store.digest(namespace, pin.uri))
        try:
            digest = await asyncio.wait_for(proof, PROOF_PATIENCE)
        except TimeoutError:
            message = f"{pin.uri} is being read once to verify the SHA-256 that the spec pins"
            return Trouble(Reason.Verifying, message, unknown=True)
        if digest == pin.sha256:
            return None
        message = f"{pin.uri} has the SHA-256 {digest}, but {pin.field} pins {pin.sha256}"
        return Trouble(Reason.ModelDigestMismatch, message)

    async def _job(self, identity: str) -> JobSnapshot | None:
        body = self._cluster.job(job_name(identity))
        if body is None:
            return None
        snapshot = job_status.view_of(body, self._now())
        if snapshot.state is JobState.FAILED:
            failure = self._failures.get(snapshot.uid, lambda: self._cluster.failure_of(body))
            return replace(snapshot, failure=await failure)
        if snapshot.state is JobState.ACTIVE and job_status.pods_are_late(body, snapshot.age):
            return replace(snapshot, obstacle=await self._cluster.obstacle_of(body))
        return snapshot


def _troubled(engine: EngineSnapshot, trouble: Trouble) -> Observation:
    return Observation(
        [TargetSnapshot(target=one, engine=engine, trouble=trouble) for one in engine.every_target]
    )


def _tensorrts(wanted: Iterable[tuple[Target, ResolvedTarget | Trouble]]) -> set[TensorRTRequest]:
    made_of = [one.inputs for _, one in wanted if isinstance(one, ResolvedTarget)]
    return {TensorRTRequest(inputs.flavor, inputs.tensorrt_version) for inputs in made_of}


async def _shared_inputs(engine: EngineSnapshot) -> SharedInputs:
    # The largest that the schema accepts takes milliseconds; one that was applied before may take 100.
    if sum(len(profile.shapes) + len(profile.values) for profile in engine.profiles) > RANGES_INLINE:
        return await asyncio.to_thread(shared_inputs, engine)
    return shared_inputs(engine)


def _file_refusal(store: Store, engine: EngineSnapshot) -> str | None:
    for file in pinned_files(engine.options, engine.verification):
        may_not = store.plugin_refusal if file.role == PLUGIN else store.refusal
        if refusal := may_not(engine.namespace, file.uri):
            return f"spec.{file.field}: {refusal}"
    return None


def _is_own(job: JobSnapshot | None, engine: EngineSnapshot) -> bool:
    """Tell whether the builder itself compares the pinned digest with what this namespace's URI gives."""
    return job is not None and (job.namespace, job.model_uri) == (engine.namespace, engine.source_uri)


def _was_another(snapshot: TargetSnapshot) -> bool:
    """Tell whether a builder found other bytes than are pinned: it is not asked to look again and again."""
    earlier, identity = snapshot.earlier, snapshot.wanted.identity if snapshot.wanted else None
    found = earlier is not None and earlier.reason == Reason.ModelDigestMismatch
    return found and earlier is not None and earlier.identity == identity


def _trouble(error: IgnitionError) -> Trouble:
    """Return an error as trouble; what the platform team must repair proves nothing about an engine."""
    unknown = isinstance(error, TransientError) or error.reason is Reason.StoreMisconfigured
    return Trouble(error.reason, str(error), unknown=unknown)
