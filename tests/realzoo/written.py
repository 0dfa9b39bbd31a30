"""ONNX files of models that their packages carry in another form: packed, or as bare weights."""

import gzip
from pathlib import Path


def written(member: Path) -> Path:
    """Return the ONNX file made of such a file; it lies beside it, so it is made once."""
    path = member.with_suffix("") if member.suffix == ".gz" else member.with_suffix(".onnx")
    if not path.exists():
        part = path.with_suffix(".part")
        part.write_bytes(gzip.decompress(member.read_bytes()))
        part.rename(path)
    return path
