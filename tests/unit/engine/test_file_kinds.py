"""A file that is neither model nor engine is called what it is, wherever one of both was wanted."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import struct
import tarfile
import zipfile

import numpy as np
import pytest

from ignition_builder.checking.inspection import load_checked
from ignition_hub.engine.errors import RequestError
from ignition_hub.engine.file_kinds import kind_of
from ignition_hub.engine.plan_header import PlanError, read_plan_header
from smallmodels import dense

ONNX = dense().SerializeToString()


def in_zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"w": 1}))
    return file.getvalue()


def in_tar():
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("model.onnx")
        member.size = len(ONNX)
        archive.addfile(member, io.BytesIO(ONNX))
    return file.getvalue()


def in_npy():
    file = io.BytesIO()
    np.save(file, np.ones(3))
    return file.getvalue()


def safetensors():
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(4)


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9\n"
FILES = {
    "packed with gzip": gzip.compress(ONNX, mtime=0),
    "packed with bzip2": bz2.compress(ONNX),
    "packed with xz": lzma.compress(ONNX),
    "packed with zstd": b"\x28\xb5\x2f\xfd\x04\x58" + bytes(60),
    "a 7z archive": b"7z\xbc\xaf'\x1c\x00\x04" + bytes(60),
    "a tar archive": in_tar(),
    "a zip archive, as PyTorch's files and Keras' are": in_zip(),
    "a Python pickle, as PyTorch writes": pickle.dumps({"w": list(range(99))}, protocol=2),
    "an array of numpy's": in_npy(),
    "an HDF5 file, as Keras writes": b"\x89HDF\r\n\x1a\n" + bytes(90),
    "a TensorFlow Lite model": b"\x1c\0\0\0TFL3" + bytes(90),
    "a model in onnxruntime's own format": b"\x1c\0\0\0ORTM" + bytes(90),
    "a GGUF file of llama.cpp": b"GGUF\x03\0\0\0" + bytes(90),
    "weights in the format safetensors, without a model": safetensors(),
    "a pointer of Git LFS": POINTER,
    "a web page": b"\n<!DOCTYPE html><html><title>404</title>" + bytes(60),
    "an XML file, as OpenVINO's models are": b'<?xml version="1.0"?>\n<net name="a">' + b" " * 60,
    "a JSON document": json.dumps({"model": "resnet", "layers": [1, 2, 3]}, indent=2).encode(),
    "a SavedModel of TensorFlow": b"\x08\x01\x12\x04serve" + bytes(60),
}


@pytest.mark.parametrize("words", FILES)
def test_where_an_engine_is_wanted_a_file_is_called_what_it_is(words):
    with pytest.raises(PlanError) as caught:
        read_plan_header(io.BytesIO(FILES[words]))

    assert caught.value.message == f"not a TensorRT plan: it is {words}"
    assert caught.value.remedy


@pytest.mark.parametrize("size", [0, 1000, 1_200_000])
def test_a_gzip_file_is_called_one_whatever_second_it_was_made_in(size):
    content = random.Random(size).randbytes(size)
    for second in range(256):
        packed = gzip.compress(content, compresslevel=0, mtime=1_700_000_000 + second)
        with pytest.raises(PlanError, match="it is packed with gzip"):
            read_plan_header(io.BytesIO(packed))


def test_an_onnx_model_is_to_be_built():
    with pytest.raises(PlanError, match="it is an ONNX model: build an engine of it"):
        read_plan_header(io.BytesIO(ONNX))


@pytest.mark.parametrize("words", [*FILES, "a TensorRT engine"])
def test_where_a_model_is_wanted_too(words, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(FILES.get(words, b"ftrt" + bytes(60)))
    with pytest.raises(RequestError) as caught:
        load_checked(path)

    assert caught.value.message == f"the file is not an ONNX model (it is {words})"
    assert caught.value.remedy


@pytest.mark.parametrize("name", ["data", "meta", "info"])
def test_a_json_document_is_called_one_whatever_its_ninth_byte_is(name):
    document = json.dumps({name: {"a": 1}}, separators=(",", ":")).encode()

    assert document[8:10] == b'{"'
    assert kind_of(document).words == "a JSON document"


@pytest.mark.parametrize("length", [60, 70_000, 100_000_000])
def test_weights_are_told_by_a_header_of_every_length_that_their_format_allows(length):
    assert kind_of(struct.pack("<Q", length) + b'{"w":').words.startswith("weights in the format safetensors")


def test_a_damaged_model_is_a_model():
    assert kind_of(ONNX[:100]).words == "an ONNX model"
    assert not kind_of(ONNX[:100]).for_model


@pytest.mark.parametrize("data", [b"", b"hello, this is nothing", b"vtrt", bytes(600)])
def test_what_nobody_knows_is_called_nothing(data):
    kind = kind_of(data)

    assert kind is None or not kind.for_engine
