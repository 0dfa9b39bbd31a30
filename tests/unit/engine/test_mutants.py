"""Mutants of documents and plans by the ten thousand: each is refused by a typed error, or read as it is."""

import io
import json
import struct
from collections.abc import Callable
from typing import Any

import pytest

from contractdocuments import FACTS, MANIFEST, RECORDS
from ignition_hub.engine.codec import Record
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.plan_header import PlanError, PlanHeader, read_plan_header
from ignition_hub.engine.pod_annotations import (
    ALIAS,
    MOUNT_PATH,
    RESOURCE,
    AnnotationError,
    injection_request,
)
from ignition_hub.engine.protocol import (
    Completion,
    Failure,
    ProgressReport,
    StartedUpload,
    TimingCacheWrite,
    Upload,
    UploadPart,
)
from mutants import COUNT, FEW, of_bytes, of_document, says, survey

SENT: dict[str, Record] = {
    **{name: RECORDS[name] for name in ("request", "grant", "task", "stored timing cache")},
    "timing cache upload": RECORDS["timing cache upload"],
    "progress": ProgressReport("Building engine", 41.5),
    "upload": Upload(33 << 20, "ab" * 32, 16 << 20),
    "started upload": StartedUpload("u", "k", (UploadPart(1, "https://s3/1"), UploadPart(2, "https://s3/2"))),
    "completion": Completion("u", "k", "ab" * 32, 3, ("e", "f"), FACTS, "log"),
    "failure": Failure("OutOfMemory", "m", 137),
    "timing cache write": TimingCacheWrite("12.9", 3, "e"),
}


WHAT_BUILDS = ("request", "grant", "completion")


def reader(kind: type[Record]) -> Callable[[bytes], Any]:
    """Read as whoever receives the document does: what is no JSON is refused before."""

    def read(data: bytes) -> Any:
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise ContractError("not JSON") from error
        return kind.from_json(document)

    return read


def said(data: bytes, record: Any) -> None:
    says(record, json.loads(data))


@pytest.mark.parametrize("name", SENT)
def test_every_mutant_of_a_document_is_refused_or_read_as_it_is(name):
    record = SENT[name]
    count = COUNT if name in WHAT_BUILDS else FEW
    mutants = of_document(record.to_json(), 11, count)

    found = survey(name, 11, mutants, reader(type(record)), said, refusals=ContractError)

    assert found.accepted > 0
    assert found.shown == count


@pytest.mark.parametrize("mutants", [of_document, of_bytes])
def test_every_mutant_of_a_manifest_is_refused_or_read_as_it_is(mutants):
    origin = MANIFEST.to_json() if mutants is of_document else MANIFEST.to_bytes()

    found = survey("manifest", 12, mutants(origin, 12), Manifest.from_bytes, said, refusals=ContractError)

    assert found.accepted > 0
    assert found.shown == COUNT


def test_what_was_read_of_a_mutant_is_written_canonically_or_refused():
    def written(data: bytes) -> bytes:
        return Manifest.from_bytes(data).to_bytes()

    def same(data: bytes, encoded: bytes) -> None:
        assert Manifest.from_bytes(encoded).to_bytes() == encoded

    survey(
        "manifest, written",
        13,
        of_document(MANIFEST.to_json(), 13, FEW),
        written,
        same,
        refusals=ContractError,
    )


def old_plan() -> bytes:
    numbers = b"".join(struct.pack("<IB", 0x00018002, part) for part in (8, 5, 3, 1))
    return struct.pack("<4sIIIQ", b"ptrt", 0, 232, 0, 100) + numbers + bytes(80)


def new_plan(magic: bytes = b"ftrt", *version: int) -> bytes:
    return struct.pack("<4sIQQ4B4s", magic, 0, 1, 133740, *(version or (10, 13, 2, 6)), magic) + bytes(32)


RTX = bytearray(new_plan(b"vtrt", 1, 7, 1, 116))
RTX[32] = 0x14
METADATA = json.dumps({"task": "detect", "names": {"0": "person"}}).encode()
PLANS = {
    "plan": new_plan(),
    "plan of RTX": bytes(RTX),
    "plan of 8.5": old_plan(),
    "plan of Ultralytics": struct.pack("<i", len(METADATA)) + METADATA + new_plan(),
}


def is_told(data: bytes, header: PlanHeader) -> None:
    """Assert that the header, encoded again, is what the bytes begin with."""
    plan = data[header.ultralytics_prefix :]
    if plan.startswith(b"ptrt"):
        assert header.size == struct.unpack_from("<Q", plan, 16)[0] + 24
        return
    magic = b"vtrt" if header.flavor == "TensorRTRTX" else b"ftrt"
    version = bytes(int(part) for part in header.version.split("."))
    assert plan[:8] == magic + bytes(4)
    assert plan[16:28] == struct.pack("<Q", header.size) + version
    archs = {0x01: "sm_75", 0x02: "sm_80", 0x04: "sm_86", 0x08: "sm_89", 0x10: "sm_120", 0x20: "sm_121"}
    mask = struct.unpack_from("<I", plan, 32)[0] if magic == b"vtrt" else 0
    assert header.capabilities == tuple(arch for bit, arch in archs.items() if mask & bit)


@pytest.mark.parametrize("name", PLANS)
def test_every_mutant_of_a_plan_is_refused_or_its_header_is_what_its_bytes_say(name):
    def read(data: bytes) -> PlanHeader:
        return read_plan_header(io.BytesIO(data))

    found = survey(name, 14, of_bytes(PLANS[name], 14), read, is_told, refusals=PlanError)

    assert found.accepted > 0
    assert found.shown == COUNT


ANNOTATIONS = {
    "ignitionhub.io/engines": "arcface-r100, detector=yolo-v8",
    "ignitionhub.io/mount-path": "/models/trt",
    "ignitionhub.io/containers": "app, sidecar",
    "ignitionhub.io/on-miss": "Fail",
    "ignitionhub.io/rollout": "Automatic",
}


def annotations_in(data: bytes) -> Any:
    """Return an object of strings: Kubernetes has no other annotations, and admission looks first."""
    document = json.loads(data)
    return document if isinstance(document, dict) else {}


def test_every_mutant_of_a_pods_annotations_is_refused_or_read_as_it_is():
    def read(data: bytes) -> Any:
        try:
            annotations = annotations_in(data)
        except (ValueError, RecursionError) as error:
            raise ContractError("not JSON") from error
        containers = [{"name": "app"}, {"name": "sidecar"}]
        return injection_request(
            {"metadata": {"annotations": annotations}, "spec": {"containers": containers}}
        )

    def is_read_again(_: bytes, request: Any) -> None:
        written = {
            "ignitionhub.io/engines": ",".join(f"{one.alias}={one.resource}" for one in request.engines),
            "ignitionhub.io/mount-path": request.mount_path,
            "ignitionhub.io/on-miss": str(request.on_miss),
            "ignitionhub.io/rollout": str(request.rollout),
        }
        if request.containers is not None:
            written["ignitionhub.io/containers"] = ", ".join(request.containers)
        assert read(json.dumps(written).encode()) == request
        assert all(ALIAS.fullmatch(one.alias) and RESOURCE.fullmatch(one.resource) for one in request.engines)
        assert MOUNT_PATH.fullmatch(request.mount_path)

    mutants = of_document(ANNOTATIONS, 15)
    found = survey("annotations", 15, mutants, read, is_read_again, refusals=(ContractError, AnnotationError))

    assert found.accepted > 0
    assert found.shown == COUNT
