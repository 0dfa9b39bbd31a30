"""What builders and gateways of different releases say to each other keeps its names."""

import json

import pytest

from contractdocuments import FACTS
from ignition_hub.engine.protocol import (
    PART_BYTES,
    Completion,
    Failure,
    ProgressReport,
    StartedUpload,
    TimingCacheRead,
    TimingCacheWrite,
    Upload,
    UploadPart,
)

SAID = [
    (ProgressReport("Building engine", 41.5), {"phase": "Building engine", "percent": 41.5}),
    (Upload(3, "ab", 2), {"size": 3, "sha256": "ab", "part_size": 2}),
    (
        StartedUpload("u", "k", (UploadPart(1, "https://s3/1"),)),
        {"upload_id": "u", "key": "k", "parts": [{"number": 1, "url": "https://s3/1"}]},
    ),
    (
        Completion("u", "k", "ab", 3, ("e", "f"), FACTS, "log"),
        {
            "upload_id": "u",
            "key": "k",
            "sha256": "ab",
            "size": 3,
            "etags": ["e", "f"],
            "facts": FACTS.to_json(),
            "log": "log",
        },
    ),
    (Failure("OutOfMemory", "m", 31), {"reason": "OutOfMemory", "message": "m", "exit_code": 31}),
    (TimingCacheRead("12.9"), {"cuda": "12.9"}),
    (TimingCacheWrite("12.9", 3, None), {"cuda": "12.9", "size": 3, "etag": None}),
]


@pytest.mark.parametrize(("record", "document"), SAID)
def test_a_body_has_the_names_that_the_other_side_knows(record, document):
    sent = json.dumps(document)

    assert json.dumps(record.to_json()) == sent
    assert json.dumps(type(record).from_json(json.loads(sent)).to_json()) == sent


def test_the_parts_of_an_upload_make_up_its_size():
    upload = Upload(size=10, sha256="ab", part_size=4)

    assert [upload.bytes_of(number) for number in range(1, upload.parts + 1)] == [4, 4, 2]


@pytest.mark.parametrize(
    ("kind", "name", "default"), [(Upload, "part_size", PART_BYTES), (Completion, "log", "")]
)
def test_what_an_earlier_builder_leaves_out_has_a_value(kind, name, default):
    document = next(document for record, document in SAID if type(record) is kind)
    earlier = {other: value for other, value in document.items() if other != name}

    assert getattr(kind.from_json(earlier), name) == default
