"""Bundles in a real S3 bucket: what is one, what is none, and what is said of it."""

from uuid import uuid4

import pytest

from ignition_hub.engine.errors import IgnitionError, Reason
from ignition_hub.engine.fingerprint import MOST_DATA_FILES
from ignition_hub.store.bundles import read_bundle
from ignition_hub.store.objects import ObjectStore
from s3server import S3Server

pytestmark = pytest.mark.cluster


@pytest.fixture(scope="module")
def store():
    with S3Server.start() as s3:
        s3.create_bucket("models")
        store = ObjectStore(s3.settings(bucket="models"))
        yield store
        store.close()


@pytest.fixture
def folder(store):
    return f"nlp/{uuid4().hex}/"


def put(store, folder, *names):
    for name in names:
        store.put(folder + name, name.encode())
    return f"s3://models/{folder}"


def refusal(store, uri):
    with pytest.raises(IgnitionError) as refused:
        read_bundle(store, uri)
    return refused.value


def test_a_bundle_is_its_model_and_all_that_lies_below(store, folder):
    uri = put(store, folder, "bert.onnx", "weights.bin", "layers/0.bin")
    put(store, folder.rstrip("/") + "-other/", "bert.onnx")
    bundle = read_bundle(store, uri)

    assert bundle.model.name == "bert.onnx"
    assert [name for name, _ in bundle.data()] == ["layers/0.bin", "weights.bin"]
    assert bundle.size == len("bert.onnx") + len("weights.bin") + len("layers/0.bin")
    assert store.get(bundle.location(bundle.model).key, 100) == b"bert.onnx"


def test_data_is_named_as_the_model_names_it(store, folder):
    uri = put(store, folder, "onnx/bert.onnx", "onnx/weights.bin", "README.md")

    assert [name for name, _ in read_bundle(store, uri).data()] == ["weights.bin"]


def test_every_change_of_a_file_changes_the_fingerprint(store, folder):
    uri = put(store, folder, "bert.onnx", "weights.bin")
    before = read_bundle(store, uri).fingerprint
    assert read_bundle(store, uri).fingerprint == before
    store.put(f"{folder}weights.bin", b"other bytes")

    assert read_bundle(store, uri).fingerprint != before


def test_nothing_is_no_bundle(store, folder):
    assert read_bundle(store, f"s3://models/{folder}") is None


def test_a_bundle_without_a_model_is_looked_for_again_and_says_what_is_there(store, folder):
    uri = put(store, folder, *[f"{number}.bin" for number in range(8)])
    error = refusal(store, uri)

    assert error.reason is Reason.SourceNotFound
    assert "has no .onnx file, only 0.bin, 1.bin, 2.bin, 3.bin, 4.bin and 3 more" in error.message


def test_a_bundle_has_one_model(store, folder):
    error = refusal(store, put(store, folder, "a.onnx", "b/B.ONNX", "weights.bin"))

    assert error.reason is Reason.InvalidModel
    assert "has 2 .onnx files: a.onnx, b/B.ONNX" in error.message


def test_a_bundle_is_bounded(store, folder):
    names = [f"{number:03}.bin" for number in range(MOST_DATA_FILES)]
    uri = put(store, folder, "model.onnx", *names)
    assert len(list(read_bundle(store, uri).data())) == MOST_DATA_FILES
    put(store, folder, "zzz.bin")

    error = refusal(store, uri)

    assert error.reason is Reason.InvalidModel
    assert f"more than {MOST_DATA_FILES} files" in error.message


@pytest.mark.parametrize("name", ["a\\b.bin", "a\tb.bin"])
def test_a_name_that_is_no_plain_path_is_refused(store, folder, name):
    error = refusal(store, put(store, folder, "model.onnx", name))

    assert error.reason is Reason.InvalidModel
    assert "which is not a plain path" in error.message
