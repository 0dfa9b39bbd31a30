"""
Rounds of two gateways that publish engines of one identity at the same moment, on a real S3 server.

A gateway here is what a replica has of its own: connections, threads, what it found of the store, its turns.
The API server with the Lease of the turns is a stand-in in memory. Each round is an identity of its own. Its
engines are uploaded first, and then both gateways are asked to publish.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from fakekube import FakeKube
from faketensorrt.plans import plan_bytes
from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.engine.enums import StrEnum
from ignition_hub.engine.errors import IgnitionError, TransientError
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.identity import EngineInputs, Model, identity_of
from ignition_hub.engine.naming import StorePaths, engine_file_name
from ignition_hub.engine.protocol import Completion
from ignition_hub.engine.request import BuildRequest
from ignition_hub.gateway.artifacts.careful_publishing import CarefulPublishing
from ignition_hub.gateway.artifacts.publishing import Signer
from ignition_hub.gateway.artifacts.upload_check import UploadRejected
from ignition_hub.gateway.cluster.callers import Build
from ignition_hub.gateway.cluster.turns import PUBLISH, Turns
from ignition_hub.store.errors import ManifestRefused
from ignition_hub.store.find import find
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.publish import Publication
from ignition_hub.store.settings import StoreSettings
from ignition_hub.store.trust import SigningKey
from storefixtures import make_facts, make_inputs

BUCKET = "rounds"
MODEL, MODEL_KEY = b"onnx bytes of a model", "models/resnet50.onnx"
ATTEMPTS = 5
"""How often a builder uploads and asks again, when what failed passes by itself."""
PAUSE = 0.2
PLAN_BYTES = 256 * 1024
DEADLINE = 60.0


class Harm(StrEnum):
    """What must not become of a round."""

    LOST = "lost"
    """A builder was told that its engine is published, and there is none."""
    OVERWRITTEN = "overwritten"
    """Both were told that theirs is new, or one was told of another manifest than stayed."""
    UNUSABLE = "an engine that no pod gets"
    """What stayed is not believed, or its bytes are not those of its manifest."""
    UNPUBLISHED = "not published"
    """A builder was refused each time."""


@dataclass(slots=True)
class Report:
    """What became of the rounds on one server."""

    refused: str = ""
    """Why the hub does not publish into this bucket at all; no round was played then."""
    takes_turns: bool = False
    """Whether the gateways published one at a time."""
    rounds: int = 0
    harm: Counter[Harm] = field(default_factory=Counter)
    words: list[str] = field(default_factory=list)
    """What was said where something failed."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """One of the replicas."""

    store: OpenStore
    signer: Signer
    publishing: CarefulPublishing


@dataclass(frozen=True, slots=True)
class Engine:
    """What one builder built."""

    build: Build
    plan: bytes

    @property
    def sha256(self) -> str:
        """The digest of the plan."""
        return hashlib.sha256(self.plan).hexdigest()


class Opened(Protocol):
    """What rounds need of a server."""

    def create_bucket(self, name: str) -> None:
        """Make a bucket."""

    def settings(self, *, bucket: str) -> StoreSettings:
        """Return what opens a bucket."""


def play(server: Opened, rounds: int, *, same_bytes: bool) -> Report:
    """Play rounds in a new bucket; ``same_bytes``: both builders built the same engine."""
    report = Report()
    server.create_bucket(bucket := f"{BUCKET}-{'same' if same_bytes else 'other'}")
    with gateways(server.settings(bucket=bucket)) as both:
        asyncio.run(_play(both, rounds, report, same_bytes=same_bytes))
    return report


@contextlib.contextmanager
def gateways(settings: StoreSettings) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways of one hub."""
    api, key = FakeKube(), SigningKey(Ed25519PrivateKey.generate())
    signer = Signer(key, {key.keyid: key.public})
    with contextlib.ExitStack() as running:

        def gateway() -> Gateway:
            workers = running.enter_context(
                contextlib.closing(Workers(name="round", threads=4, waiting=8, deadline=DEADLINE))
            )
            objects = running.enter_context(contextlib.closing(ObjectStore(settings)))
            turns = Turns(api, "ignition-hub", PUBLISH, "another engine is being published")  # type: ignore[arg-type]
            publishing = CarefulPublishing(signer, turns, workers, _no_stores)
            return Gateway(OpenStore(objects, {}, settings), signer, publishing)

        yield gateway(), gateway()


async def _no_stores() -> list[dict[str, Any]]:
    """Return the EngineStores whose status another gateway has written: none has."""
    return []


async def _play(both: Sequence[Gateway], rounds: int, report: Report, *, same_bytes: bool) -> None:
    try:
        found = [await gateway.publishing.habits(gateway.store.objects) for gateway in both]
    except IgnitionError as refusal:
        report.refused = refusal.message
        return
    report.takes_turns = not all(habits.are_conditional for habits in found)
    model_fingerprint = _model_in(both[0].store)
    for number in range(rounds):
        model = Model("resnet50", f"v{number}", model_fingerprint)
        engines = [
            engine_of(model, both[0].store.uri_of(MODEL_KEY), 0 if same_bytes else writer)
            for writer in range(len(both))
        ]
        answers = await _round(both, engines)
        report.rounds += 1
        report.words += [answer for answer in answers if isinstance(answer, str)]
        report.harm.update(harm_of(both[0], engines[0].build.request.inputs, answers))


def _model_in(store: OpenStore) -> str:
    """Put the model of all rounds into the bucket; return its fingerprint."""
    store.objects.put(MODEL_KEY, MODEL)
    facts = store.objects.head(MODEL_KEY)
    assert facts is not None
    return fingerprint(store.uri_of(MODEL_KEY), etag=facts.etag, size=facts.size)


def engine_of(model: Model, uri: str, writer: int) -> Engine:
    """Return what a builder built of ``model``."""
    inputs = make_inputs(model=model)
    request = BuildRequest(
        identity=identity_of(inputs),
        inputs=inputs,
        model_sha256=None,
        model_uri=uri,
        source_size=len(MODEL),
        options={},
        verification={},
        timeout_seconds=60,
        low_memory=False,
        name=engine_file_name(inputs),
        namespace="vision",
        engine_resource="resnet50",
    )
    content = {"writer": writer, "kernels": "x" * PLAN_BYTES}
    plan = plan_bytes(inputs.flavor, inputs.tensorrt_version, content, ("SM89",))
    return Engine(Build(request, f"job-{writer}", "uid", None, rebuild=False), plan)


async def _round(both: Sequence[Gateway], engines: Sequence[Engine]) -> list[Publication | str]:
    uploads = [
        await asyncio.to_thread(_uploaded, gateway.store, engine)
        for gateway, engine in zip(both, engines, strict=True)
    ]
    published = map(_published, both, engines, uploads)
    return list(await asyncio.gather(*published))


async def _published(gateway: Gateway, engine: Engine, upload: Completion) -> Publication | str:
    """Have an engine published as a builder has; return the last refusal when it gives up."""
    said = ""
    for _ in range(ATTEMPTS):
        try:
            return await gateway.publishing.complete(gateway.store, engine.build, upload)
        except TransientError as error:
            said = error.message
        except UploadRejected as error:
            said = error.message
            upload = await asyncio.to_thread(_uploaded, gateway.store, engine)
        except IgnitionError as error:
            return error.message
        await asyncio.sleep(PAUSE)
    return said


def _uploaded(store: OpenStore, engine: Engine) -> Completion:
    request = engine.build.request
    key = StorePaths(store.prefix, request.inputs, request.identity).engine(engine.sha256)
    upload_id = store.objects.start_upload(key)
    etag = store.objects.put_part(key, upload_id, 1, engine.plan)
    return Completion(upload_id, key, engine.sha256, len(engine.plan), (etag,), make_facts(), "built")


def harm_of(gateway: Gateway, inputs: EngineInputs, answers: Sequence[Publication | str]) -> set[Harm]:
    """Look at what a round left in the store, and say what it did that it must not."""
    told = [answer for answer in answers if isinstance(answer, Publication)]
    harm = {Harm.UNPUBLISHED} if len(told) < len(answers) else set[Harm]()
    objects = gateway.store.objects
    try:
        stayed = find(objects, gateway.signer.keys, inputs, identity_of(inputs))
    except ManifestRefused:
        return harm | {Harm.UNUSABLE}
    if stayed is None:
        return harm | ({Harm.LOST} if told else set())
    if objects.digest(stayed.engine.key) != (stayed.engine.sha256, stayed.engine.size):
        harm |= {Harm.UNUSABLE}
    if sum(each.is_new for each in told) > 1 or any(each.manifest != stayed for each in told):
        harm |= {Harm.OVERWRITTEN}
    return harm
