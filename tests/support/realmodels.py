"""
Trained networks for tests, out of published Python packages: what people really build engines from.

The packages are pinned by digest, downloaded once into the user's cache and never imported.
"""

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ignition_hub.engine.identity import Profile, ShapeRange

CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "ignition-hub-tests" / "models"

PLATFORMS = (
    "manylinux2014_x86_64",
    "manylinux_2_17_x86_64",
    "manylinux_2_24_x86_64",
    "manylinux_2_28_x86_64",
)
FOR = ("--python-version", "3.11", *(word for name in PLATFORMS for word in ("--platform", name)))
"""Which wheel of several: nothing in it is run, so this does not depend on what runs here."""


@dataclass(frozen=True, slots=True)
class Package:
    """A wheel: name, version and digest."""

    name: str
    version: str
    sha256: str


@dataclass(frozen=True, slots=True)
class RealModel:
    """A model inside a wheel, what it is, and the shapes it is built for: input to (min, opt, max)."""

    what: str
    package: Package
    member: str
    shapes: Mapping[str, tuple[tuple[int, ...], ...]] = field(default_factory=dict)

    @property
    def profiles(self) -> tuple[Profile, ...]:
        """The optimization profiles."""
        ranges = {name: ShapeRange(*shapes) for name, shapes in self.shapes.items()}
        return (Profile(ranges),) if ranges else ()


OCR = Package(
    "rapidocr-onnxruntime", "1.4.4", "971d7d5f223a7a808662229df1ef69893809d8457d834e6373d3854bc1782cbf"
)
MAGIKA = Package("magika", "1.0.3", "3e9b49134e8116ee40b431664dcbed9e199413efddcce1a173c734b4e0521529")
NUDENET = Package("nudenet", "3.4.2", "5937dbd84e5d8e5de038f08ffea5a1bb50a08475776bf2b4795914ce0eaf0331")
SILERO = Package("silero-vad", "6.2.3", "7b7f5436cfcb02fae583a05b512ea96467fd449fe54cb49a5e4f06c51a1e43b8")

MODELS: Mapping[str, RealModel] = {
    "ppocr-cls": RealModel(
        "PP-OCR text direction (MobileNetV3)",
        OCR,
        "rapidocr_onnxruntime/models/ch_ppocr_mobile_v2.0_cls_infer.onnx",
        {"x": ((1, 3, 48, 192), (4, 3, 48, 192), (8, 3, 48, 192))},
    ),
    "ppocr-det": RealModel(
        "PP-OCRv4 text detection (convolutional)",
        OCR,
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_det_infer.onnx",
        {"x": ((1, 3, 320, 320), (1, 3, 320, 320), (1, 3, 320, 320))},
    ),
    "ppocr-rec": RealModel(
        "PP-OCRv4 text recognition (convolutions and attention)",
        OCR,
        "rapidocr_onnxruntime/models/ch_PP-OCRv4_rec_infer.onnx",
        {"x": ((1, 3, 48, 160), (1, 3, 48, 320), (2, 3, 48, 320))},
    ),
    "magika": RealModel(
        "file type from content (embedding and dense)",
        MAGIKA,
        "magika/models/standard_v3_3/model.onnx",
        {"bytes": ((1, 2048), (1, 2048), (4, 2048))},
    ),
    "nudenet": RealModel(
        "object detection (YOLOv8)",
        NUDENET,
        "nudenet/320n.onnx",
        {"images": ((1, 3, 320, 320), (1, 3, 320, 320), (2, 3, 320, 320))},
    ),
    "silero-vad": RealModel(
        "voice activity (convolutions and LSTM)", SILERO, "silero_vad/data/silero_vad_openvino_16k.onnx"
    ),
    "silero-vad-if": RealModel(
        "voice activity, with branches",
        SILERO,
        "silero_vad/data/silero_vad_half.onnx",
        {"input": ((1, 576), (1, 576), (4, 576)), "state": ((2, 1, 128), (2, 1, 128), (2, 4, 128))},
    ),
}


def real_model(name: str) -> Path:
    """Return the ONNX file of a model, downloading its package when it is not in the cache."""
    model = MODELS[name]
    return unpacked(model.package) / model.member


def unpacked(package: Package) -> Path:
    """Return the folder with what a wheel carries, downloading it when it is not in the cache."""
    folder = CACHE / package.sha256[:16] / "unpacked"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            wheel = _downloaded(package, Path(work))
            with zipfile.ZipFile(wheel) as archive:
                archive.extractall(Path(work) / "whole")
            _kept(Path(work) / "whole", folder)
    return folder


def _kept(whole: Path, folder: Path) -> None:
    try:
        whole.rename(folder)
    except OSError:
        if not folder.exists():  # otherwise another process was first, with the same files
            raise


def _downloaded(package: Package, folder: Path) -> Path:
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n")
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--dest", str(folder)]
    subprocess.run([*pip, *options, *FOR, "--requirement", str(wanted)], check=True, timeout=300)
    return next(folder.glob("*.whl"))
