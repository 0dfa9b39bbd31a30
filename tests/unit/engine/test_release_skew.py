"""
Two releases at once: every document between processes, with what the other one knows or does not know yet.

Each record goes through the reader that meets it. A field more is left out, or for a Whole a NewerRelease; a
word more is a NewerRelease; a field that a release added may be missing. A record or a list of words that has
no row here fails by name.
"""

import copy
import inspect
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from contractdocuments import FACTS, INPUTS, RECORDS, REQUEST
from ignition_builder.documents import Task
from ignition_builder.hub.gateway import GatewayClient
from ignition_hub.catalog.rows import rows_of
from ignition_hub.compatibility import readiness
from ignition_hub.compatibility.engine_choice import EngineNotReady, ready_for
from ignition_hub.compatibility.gpus import NodeGpu
from ignition_hub.controller.policy.job_status import failure_of, view_of
from ignition_hub.controller.policy.store_status import Heard, Probe, store_status
from ignition_hub.engine import identity, manifest, request
from ignition_hub.engine.canonical import canonical_json
from ignition_hub.engine.codec import Record, Whole
from ignition_hub.engine.errors import NewerRelease, Reason
from ignition_hub.engine.fallback import MODEL, FallbackAnswer, FallbackFile
from ignition_hub.engine.fetch_report import FETCHED, FetchAccount, FetchReport
from ignition_hub.engine.identity import BatchRange, EngineInputs, Model, Profile, ShapeRange, identity_of
from ignition_hub.engine.manifest import BuildFacts, EngineFile, Manifest
from ignition_hub.engine.naming import job_name
from ignition_hub.engine.pod_annotations import LayoutName, OnMiss
from ignition_hub.engine.protocol import (
    Completion,
    Failure,
    ProgressReport,
    StartedUpload,
    TimingCacheRead,
    TimingCacheWrite,
    Upload,
    UploadPart,
)
from ignition_hub.engine.request import BuildGrant, BuildRequest, GrantedFile
from ignition_hub.engine.running_engines import RunningEngines
from ignition_hub.engine.selection import PassedOver, Selection, selection_in
from ignition_hub.engine.store_findings import BucketPlace, StoreFindings, StoreReason
from ignition_hub.engine.timing_cache import StoredTimingCache, TimingCacheUpload
from ignition_hub.fetch.beside import served_engine
from ignition_hub.fetch.gateway import Resolved, asking_again_helps, read_answer, read_resolved
from ignition_hub.gateway.cluster.callers import build_from
from ignition_hub.gateway.documents import (
    annotation_of,
    completion_in,
    failure_in,
    fetches_in,
    progress_in,
    upload_in,
)
from ignition_hub.retention.demand import claim_of
from ignition_hub.retention.documents import PruneAnswer, PruneRequest, Removed, Stayed
from ignition_hub.store.trust import SigningKey, keys_from_json, keys_to_json, sign, verify
from ignition_hub.wire.address import Address
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.response import GatewayResponse
from resolvedanswers import SELECTION
from servedmanifests import SERVED

KEY = SigningKey(Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
MIB = 1024 * 1024
LATER = {"of": ["a later release"]}

Document = dict[str, Any]
Place = tuple[str | int, ...]


def gateway_of_the_request(document: Document) -> Any:
    job = {
        "metadata": {
            "name": job_name(identity_of(INPUTS)),
            "uid": "u",
            "annotations": {"ignitionhub.io/request": json.dumps(document)},
        }
    }
    return build_from(job, {}).request


def client_answered(document: Document) -> Any:
    class Answered(GatewayClient):
        def _call(self, *_: Any) -> Document:
            return document

    return Answered(None, Path("token"), None)  # type: ignore[arg-type]  # it calls nobody


def believed(document: Document) -> Manifest:
    data = canonical_json(document)
    return verify(data, sign(RECORDS["manifest"], data, KEY), {KEY.keyid: KEY.public})


def timing_cache_read(document: Document) -> Any:
    return TimingCacheRead.from_json(document)


def timing_cache_write(document: Document) -> Any:
    return TimingCacheWrite.from_json(document)


@dataclass(frozen=True)
class Row:
    """One record as it is sent: inside ``document`` at ``at``, to ``read``."""

    kind: type[Record]
    document: Document
    read: Callable[[Document], Any]
    at: Place = ()

    def changed(self, change: Callable[[Document], Any]) -> Document:
        sent: Document = json.loads(json.dumps(self.document))
        place: Any = sent
        for step in self.at:
            place = place[step]
        change(place)
        return sent


def rows_of_builds() -> Iterator[Row]:
    """Yield what builders and the gateway say to each other about a build."""
    yield Row(BuildRequest, REQUEST.to_json(), gateway_of_the_request)
    for kind, at in (
        (EngineInputs, ("inputs",)),
        (Model, ("inputs", "model")),
        (Profile, ("inputs", "profiles", 0)),
        (ShapeRange, ("inputs", "profiles", 0, "shapes", "x")),
        (BatchRange, ("inputs", "profiles", 0, "batch_size")),
    ):
        yield Row(kind, REQUEST.to_json(), gateway_of_the_request, at)
    grant = RECORDS["grant"].to_json()
    grant["files"][0]["etag"], grant["model_etag"] = "e", "m"
    for kind, at in ((BuildGrant, ()), (GrantedFile, ("files", 0)), (BuildRequest, ("request",))):
        yield Row(kind, grant, lambda document: client_answered(document).grant(), at)
    yield Row(ProgressReport, ProgressReport("Building engine", 41).to_json(), progress_in)
    upload = Upload(33 * MIB, "ab" * 32, 16 * MIB).to_json()
    yield Row(Upload, upload, lambda document: upload_in(document, most=1 << 30))
    started = StartedUpload("u", "k", (UploadPart(1, "https://s3/1"),)).to_json()
    for kind, at in ((StartedUpload, ()), (UploadPart, ("parts", 0))):
        yield Row(kind, started, lambda document: client_answered(document).upload(1, "ab" * 32, 1), at)
    done = Completion("u", "k", "ab" * 32, 3, ("e",), FACTS, "log").to_json()
    for kind, at in ((Completion, ()), (BuildFacts, ("facts",))):
        yield Row(kind, done, lambda document: completion_in(document, most=1 << 30), at)
    yield Row(Failure, Failure("OutOfMemory", "m", 137).to_json(), failure_in)


def rows_of_pods() -> Iterator[Row]:
    """Yield what fetchers and the gateway say to each other."""
    said = FetchReport((FetchAccount(FETCHED, 0.5, 2.0, 3),)).to_json()
    for kind, at in ((FetchReport, ()), (FetchAccount, ("engines", 0))):
        yield Row(kind, said, lambda document: fetches_in(document, most=1 << 30), at)
    answer = {"selection": SELECTION.to_json()}
    for kind, at in ((Selection, ("selection",)), (PassedOver, ("selection", "passed_over", 0))):
        yield Row(kind, answer, lambda document: {"selection": selection_in(document)}, at)
    running = RunningEngines("sm_89", "NVIDIA-L4", ("ab" * 8,), "no engine", "linux-x86_64").to_json()
    yield Row(RunningEngines, running, RunningEngines.from_json)
    model = FallbackAnswer("r", MODEL, "w", "ab" * 32, False, (FallbackFile("m.onnx", "https://s3/m", 3),))
    for kind, at in ((FallbackAnswer, ()), (FallbackFile, ("files", 0))):
        yield Row(kind, model.to_json(), lambda document: read_answer("r", document).answer, at)


def rows_of_stores() -> Iterator[Row]:
    """Yield what the command line and the controller hear of a store."""
    yield Row(PruneRequest, PruneRequest(dry_run=True, run="0" * 32).to_json(), PruneRequest.from_json)
    removed, stayed = Removed("models", "k", "unused", 1, 3), Stayed("models", "in use", 2, 6)
    page = PruneAnswer("default", True, 3, (removed,), (stayed,), None).to_json()
    for kind, at in ((PruneAnswer, ()), (Removed, ("removed", 0)), (Stayed, ("kept", 0))):
        yield Row(kind, page, PruneAnswer.from_json, at)
    place = BucketPlace("https://s3", "us-east-1", "engines", "ignition")
    found = StoreFindings("g-0", place, "BucketReachable", "", False, ("a",), ("b: ignored",), ()).to_json()
    for kind, at in ((StoreFindings, ()), (BucketPlace, ("place",))):
        yield Row(kind, found, StoreFindings.from_json, at)


def rows_of_timing_caches() -> Iterator[Row]:
    """Yield what builders and the gateway say to each other about timing caches."""
    yield Row(TimingCacheRead, TimingCacheRead("12.9").to_json(), timing_cache_read)
    yield Row(TimingCacheWrite, TimingCacheWrite("12.9", 3, "e").to_json(), timing_cache_write)
    patience = Deadline(1.0)
    yield Row(
        StoredTimingCache,
        RECORDS["stored timing cache"].to_json(),
        lambda document: client_answered(document).timing_cache("12.9", patience),
    )
    yield Row(
        TimingCacheUpload,
        RECORDS["timing cache upload"].to_json(),
        lambda document: client_answered(document).timing_cache_upload("12.9", 3, None, patience),
    )


def rows_of_manifests() -> Iterator[Row]:
    """Yield what is kept beside an engine."""
    for kind, at in (
        (Manifest, ()),
        (EngineFile, ("engine",)),
        (BuildFacts, ("build",)),
        (EngineInputs, ("inputs",)),
    ):
        yield Row(kind, RECORDS["manifest"].to_json(), believed, at)


ROWS = (
    *rows_of_builds(),
    *rows_of_pods(),
    *rows_of_stores(),
    *rows_of_timing_caches(),
    *rows_of_manifests(),
)
WORDS = {
    ("BuildRequest.timing_cache", BuildRequest, "timing_cache"),
    ("GrantedFile.role", GrantedFile, "role"),
    ("BuildFacts.flavor", BuildFacts, "flavor"),
    ("BuildFacts.checked", BuildFacts, "checked"),
    ("Manifest.schema", Manifest, "schema"),
    ("precision", EngineInputs, "precision"),
    ("flavor", EngineInputs, "flavor"),
    ("compatibility", EngineInputs, "compatibility"),
}
"""Fields that hold one of a list of words: as ``one_of`` names them, their record, their name."""

NO_DOCUMENT = {"Target.compatibility"}


def name_of(value: Any) -> str | None:
    return ".".join([value.kind.__name__, *map(str, value.at)]) if isinstance(value, Row) else None


def records(kind: type[Record] = Record) -> Iterator[type[Record]]:
    for one in kind.__subclasses__():
        yield one
        yield from records(one)


@pytest.mark.parametrize("row", ROWS, ids=name_of)
def test_a_field_that_a_later_release_added_is_left_out_or_waits_for_the_upgrade(row):
    later = row.changed(lambda place: place.update(addedLater=LATER))

    if issubclass(row.kind, Whole):
        with pytest.raises(NewerRelease, match=rf"{row.kind.__name__}\.addedLater: unknown field"):
            row.read(later)
    else:
        assert row.read(later) == row.read(row.changed(dict))


@pytest.mark.parametrize(
    ("row", "field"),
    [(row, field) for row in ROWS for _, kind, field in sorted(WORDS, key=str) if kind is row.kind],
    ids=name_of,
)
def test_a_word_that_a_later_release_added_waits_for_the_upgrade(row, field):
    with pytest.raises(NewerRelease, match=rf"{field}: 'AddedLater' is not known") as refused:
        row.read(row.changed(lambda place: place.update({field: "AddedLater"})))

    assert refused.value.reason is Reason.NewerRelease


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (row, field)
        for row in ROWS
        for field in fields(row.kind)  # type: ignore[arg-type]
        if "may_be_missing" in field.metadata
    ],
    ids=lambda value: name_of(value) or value.name,
)
def test_a_field_that_an_earlier_release_does_not_write_has_a_value(row, field):
    # A request and a manifest without it are of another engine where an identity covers it.
    covered = issubclass(row.kind, Whole)
    earlier = row.changed(lambda place: place.pop(field.name))

    read = row.kind.from_json(inside(earlier, row.at)) if covered else inside(row.read(earlier), row.at)

    default = field.default if field.default is not MISSING else field.default_factory()
    assert getattr(read, field.name) == default


def inside(value: Any, at: Place) -> Any:
    for step in at:
        value = value[step] if isinstance(value, dict | list | tuple) else getattr(value, str(step))
    return value


def test_every_record_between_processes_is_read_here_with_what_another_release_knows():
    between = {one.__name__ for one in records() if one.__module__.startswith("ignition_hub.")} - {"Whole"}

    assert between - {row.kind.__name__ for row in ROWS} == set()


def test_every_list_of_words_of_a_document_has_a_word_more_here():
    sources = "".join(inspect.getsource(module) for module in (identity, manifest, request))

    assert set(re.findall(r'one_of\("([\w.]+)"', sources)) - NO_DOCUMENT == {named for named, _, _ in WORDS}


def test_the_stages_of_a_build_are_of_one_image_and_read_all_or_nothing():
    stages = [one for one in records() if one.__module__.startswith("ignition_builder.")]

    assert Task in stages
    assert [one.__name__ for one in stages if not issubclass(one, Whole)] == []


def test_the_reason_of_a_failure_that_a_later_builder_knows_reaches_the_job_and_fails_the_build():
    failure = failure_in({"reason": "AddedLater", "message": "m", "exit_code": 25, "addedLater": LATER})
    annotation = {**annotation_of(failure), "addedLater": LATER}
    job = {"metadata": {"annotations": {"ignitionhub.io/failure": json.dumps(annotation)}}}

    told = failure_of(job, [])

    assert (annotation["reason"], told.reason, told.message) == ("AddedLater", Reason.BuildFailed, "m")


def test_a_job_whose_annotations_say_more_is_seen_as_before():
    said = {
        "ignitionhub.io/request": REQUEST.to_json(),
        "ignitionhub.io/progress": {"phase": "Building engine", "percent": 41},
    }

    def job(**more: Any) -> Document:
        annotations = {name: json.dumps({**value, **more}) for name, value in said.items()}
        return {"metadata": {"name": "j", "annotations": annotations}}

    assert view_of(job(addedLater=LATER), 0.0) == view_of(job(), 0.0)


def test_an_answer_about_an_engine_that_says_more_is_used():
    answer = {
        "name": "resnet50",
        "identity": identity_of(INPUTS),
        "gpu": {"arch": "sm_89", "product": None},
        "file_name": "resnet50.trt",
        "url": "https://s3.example.com/resnet50.trt?X-Amz-Signature=0",
        "size": 3,
        "sha256": "ab" * 32,
        "manifest": RECORDS["manifest"].to_json(),
    }
    later = copy.deepcopy(answer) | {"addedLater": LATER}
    later["manifest"]["addedLater"] = LATER

    later["selection"] = SELECTION.to_json() | {"addedLater": LATER}
    unread = answer | {"selection": {"addedLater": LATER}}

    read, known = read_resolved("resnet50", later), read_resolved("resnet50", answer)

    assert (read.selection, known.selection) == (SELECTION, None)
    assert read_resolved("resnet50", unread).selection is None
    assert (read.source, read.size, read.sha256) == (known.source, known.size, known.sha256)
    assert Manifest.from_json(read.record["manifest"]) == RECORDS["manifest"]


def test_an_engine_of_a_later_release_is_laid_out_for_its_program_as_before():
    later = SERVED["images"].to_json() | {"addedLater": LATER}
    later["inputs"]["addedLater"] = later["build"]["addedLater"] = LATER

    laid_out, known = (
        served_engine(
            Resolved(Address.of("https://s3"), 3, "ab" * 32, {"manifest": told}), "m", LayoutName.TRITON
        )
        for told in (later, SERVED["images"].to_json())
    )

    assert laid_out == known


def test_a_pod_that_falls_back_waits_for_a_gateway_that_knows_what_that_is():
    # A gateway of an earlier release does not read the parameter and answers as to any pod.
    earlier = GatewayResponse(422, {"reason": "NoEngineForGPU", "message": "no target for sm_90"})

    assert asking_again_helps(earlier, OnMiss.FALLBACK)


def test_keys_of_an_algorithm_that_only_a_later_release_knows_are_passed_over():
    keys = keys_to_json({KEY.keyid: KEY.public})
    later = {"keys": [{"algorithm": "ml-dsa", "addedLater": LATER}, *keys["keys"]], "addedLater": LATER}

    assert list(keys_from_json(later)) == [KEY.keyid]


def test_a_reason_that_only_a_later_gateway_knows_leaves_its_store_refused_with_its_words():
    place = BucketPlace("https://s3", "us-east-1", "engines", "")
    found = StoreFindings("g-0", place, "AddedLater", "said later", None, (), (), ())
    body = {
        "metadata": {"name": "main", "generation": 1},
        "spec": {"s3": {"endpoint": "https://s3", "bucket": "engines"}},
    }

    status = store_status(
        body, Probe(StoreReason.BUCKET_REACHABLE), default="main", now="", heard=Heard((found,))
    )

    ready = status["conditions"][0]
    assert (ready["status"], ready["reason"]) == ("False", StoreReason.BUCKET_REFUSES)
    assert ready["message"].endswith("said later")


def test_pods_wait_while_a_target_has_a_state_that_only_a_later_release_knows():
    target = {"name": "sm-89", "state": "AddedLater", "gpuArch": "sm_89", "addedLater": LATER}
    resource = {
        "metadata": {"name": "resnet50", "generation": 1},
        "spec": {},
        "status": {"observedGeneration": 1, "targets": [target]},
    }

    with pytest.raises(EngineNotReady, match="sm-89 is AddedLater"):
        ready_for(resource, NodeGpu("sm_89", "NVIDIA-L4", mig=None))
    assert not readiness.view_of(resource).is_settled


def test_a_target_that_a_later_controller_added_for_a_pod_is_handed_out_like_any_other():
    target = {
        "name": "auto-sm-89",
        "state": "Ready",
        "gpuArch": "sm_89",
        "identity": "a" * 64,
        "uri": "s3://engines/e.trt",
        "autoBuild": {"pool": "ada", "addedLater": LATER},
    }
    resource = {
        "metadata": {"name": "resnet50", "generation": 1},
        "spec": {"targets": [{"gpuArch": "sm_86"}]},
        "status": {"observedGeneration": 1, "targets": [target]},
    }

    (chosen,) = ready_for(resource, NodeGpu("sm_89", "NVIDIA-L4", mig=None))
    assert chosen.name == "auto-sm-89"
    assert [ready.arch for ready in readiness.view_of(resource).ready] == ["sm_89"]
    assert not claim_of(resource).is_settled


def test_a_catalog_shows_a_target_of_another_release_with_what_it_knows_of_it():
    target = {"name": "sm-89", "state": "Ready", "gpuArch": "sm_89", "sizeBytes": 3}
    later = {
        **target,
        "accuracy": {"compared": "AddedLater", "maxAbsolute": 0.5, "addedLater": LATER},
        "benchmark": {"medianMilliseconds": LATER, "addedLater": LATER},
        "addedLater": LATER,
    }
    resource = {
        "metadata": {"name": "resnet50", "namespace": "vision", "generation": 1},
        "spec": {"model": {"name": "resnet50", "version": "v1"}, "precision": "fp16", "addedLater": LATER},
        "status": {"observedGeneration": 1, "targets": [target, later]},
    }

    known, read = rows_of(resource)
    assert (known.accuracy, known.benchmark, known.compared) == ({}, {}, "")
    assert (read.accuracy, read.benchmark, read.compared) == ({"maxAbsolute": 0.5}, {}, "AddedLater")
    assert (read.state, read.size_bytes) == (known.state, known.size_bytes) == ("Ready", 3)
