"""ONNX files of models that their packages carry in another form: packed, or as bare weights."""

import gzip
import json
from pathlib import Path

from realzoo.bert import bert, weights


def written(member: Path) -> Path:
    """Return the ONNX file made of such a file; it lies beside it, so it is made once."""
    path = member.with_suffix("") if member.suffix == ".gz" else member.with_suffix(".onnx")
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_bytes(_unpacked(member) if member.suffix == ".gz" else _graph(member))
        part.rename(path)
    return path


def _unpacked(member: Path) -> bytes:
    return gzip.decompress(member.read_bytes())


def _graph(member: Path) -> bytes:
    """Of the weights of a BERT, ``config.json`` beside them."""
    settings = json.loads((member.parent / "config.json").read_text(encoding="utf-8"))
    serialized: bytes = bert(settings, weights(member)).SerializeToString()
    return serialized
