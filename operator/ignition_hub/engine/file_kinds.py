"""
What a file is that was taken for an ONNX model or an engine, by its first bytes, and what would work.

Asked only once a file is not what it should be: an ONNX file has no magic of its own, and could begin with
nearly anything.
"""

import re
from typing import NamedTuple

LONGEST = 512
"""How many first bytes are looked at."""

_EXPORT = "export the model to ONNX"
_BUILD = "build an engine of it, with ignition build"
_FIRST = "get the file itself"


class FileKind(NamedTuple):
    """
    What a file is, in ``words``; ``for_model`` says what would work where a model was wanted, ``for_engine``
    where an engine was. An empty one: it is what was wanted, or was meant to be.
    """

    words: str
    for_model: str
    for_engine: str


def _packed(words: str, tool: str) -> FileKind:
    return FileKind(words, f"unpack it first, with {tool}", f"unpack it first, with {tool}")


def _model(words: str, remedy: str) -> FileKind:
    return FileKind(words, remedy, f"{remedy}, and build an engine of that")


_HDF5 = _model("an HDF5 file, as Keras writes", f"{_EXPORT}, with tf2onnx")
_PICKLE = _model("a Python pickle, as PyTorch writes", f"{_EXPORT}, with torch.onnx.export")
_ENGINE = FileKind("a TensorRT engine", "give the ONNX model that it was built from", "")
_ONNX = FileKind("an ONNX model", "", _BUILD)
_LFS = "fetch it, with git lfs pull"

# Long ones first: a short one may be the start of anything.
_KINDS: tuple[tuple[bytes, FileKind], ...] = (
    (rb"version https://git-lfs", FileKind("a pointer of Git LFS", _LFS, _LFS)),
    (rb"\x89HDF\r\n\x1a\n", _HDF5),
    (rb"\xfd7zXZ\0", _packed("packed with xz", "unxz")),
    (rb"7z\xbc\xaf'\x1c", _packed("a 7z archive", "7z")),
    (rb"(?s:.{257})ustar", _packed("a tar archive", "tar")),
    (rb"(?i:\s*<!doctype html|\s*<html)", FileKind("a web page", _FIRST, _FIRST)),
    (rb"\s*<\?xml", _model("an XML file, as OpenVINO's models are", _EXPORT)),
    (
        rb"PK\x03\x04",
        _model(
            "a zip archive, as PyTorch's files and Keras' are", f"{_EXPORT}, or unpack it if one is in it"
        ),
    ),
    (rb"\x28\xb5\x2f\xfd", _packed("packed with zstd", "unzstd")),
    (rb"\x93NUMPY", FileKind("an array of numpy's", _EXPORT, "name the engine")),
    (rb"GGUF", _model("a GGUF file of llama.cpp", "export the model that it was made from to ONNX")),
    (rb"[fvp]trt", _ENGINE),
    (rb"(?s:.{4})TFL3", _model("a TensorFlow Lite model", f"{_EXPORT}, with tf2onnx")),
    (rb"(?s:.{4})ORTM", _model("a model in onnxruntime's own format", "give the ONNX file it was made from")),
    # The eight bytes are a length of at most 100 MB: any other file may have {" behind its first eight.
    (
        rb"(?s:.{3})[\0-\x05]\0{4}\{\"",
        _model("weights in the format safetensors, without a model", _EXPORT),
    ),
    (rb"\x1f\x8b", _packed("packed with gzip", "gunzip")),
    (rb"BZh[1-9]", _packed("packed with bzip2", "bunzip2")),
    (rb"\x80[\x02-\x05]", _PICKLE),
    (rb"\s*\{\s*\"", FileKind("a JSON document", _EXPORT, "give the engine, or its manifest as NAME.json")),
    (rb"\x08[\x03-\x20][\x12\x1a\x22\x2a\x32\x3a\x42]", _ONNX),
    (rb"\x08\x01\x12", _model("a SavedModel of TensorFlow", f"{_EXPORT}, with tf2onnx")),
)


def kind_of(head: bytes) -> FileKind | None:
    """Return what a file with these first bytes is; None where nobody knows."""
    return next((kind for pattern, kind in _KINDS if re.match(pattern, head)), None)
