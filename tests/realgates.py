"""
Build trained networks in every precision, with the accuracy gate, and print what came of it. ::

    python -m realgates                     all models, all precisions, as a table
    python -m realgates ppocr-cls int8      one of them

The candidate runs on the CPU: the converted or quantized model against the model as it came, on numbers
drawn like the network's real inputs; int8 is calibrated on others of the same kind.
"""

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ignition_builder.building import build
from ignition_builder.checking.inspection import inputs_of, load_checked
from ignition_builder.files import Files
from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.request import BuildRequest
from realmodels import MODELS, real_model
from smallmodels import request_for

PRECISIONS = ("fp32", "fp16", "bf16", "int8")
ARCH = "sm_89"
TOLERANCE = {
    "fp32": {"rtol": 0.0, "atol": 0.0},
    "fp16": {"rtol": 5e-3, "atol": 5e-3},
    "bf16": {"rtol": 5e-2, "atol": 5e-2},
    "int8": {"rtol": 0.1, "atol": 0.1, "quantile": 0.999},
}
"""fp16's is that of NVIDIA's sample; the others follow from how many bits a value keeps."""
SAMPLES = 16


@dataclass(frozen=True, slots=True)
class Gated:
    """One model in one precision: its engine's size in bytes and figures, or the reason there is none."""

    model: str
    precision: str
    size: int = 0
    seconds: float = 0.0
    largest: float = 0.0
    path: str = ""
    reason: str = ""


def gated(name: str, precision: str, folder: Path) -> Gated:
    """Build ``name`` in ``folder`` and return what came of it."""
    calibrated = precision == "int8"
    files = Files(
        calibration=written(name, folder / "calibration.npz", SAMPLES, 7) if calibrated else None,
        inputs=written(name, folder / "inputs.npz", 1, 8),
    )
    request = request_of(name, precision, calibrated=calibrated)
    try:
        built = build(request, real_model(name), folder, lambda phase, part: None, files=files)
    except IgnitionError as error:
        return Gated(name, precision, reason=f"{error.reason}: {error.message}")
    facts = built.facts
    assert facts.accuracy is not None
    assert facts.converter is not None
    largest = max(item["maxAbsolute"] for item in facts.accuracy["outputs"])
    return Gated(name, precision, built.size, facts.seconds, largest, facts.converter["path"])


def written(name: str, path: Path, count: int, seed: int) -> Path:
    """Write ``count`` samples like the network's real inputs; one alone has the model's own rank."""
    generator = np.random.default_rng(seed)
    arrays = {}
    for item in inputs_of(load_checked(real_model(name))):
        shape = MODELS[name].shapes.get(item.name, (None, item.shape))[1]
        samples = np.stack([_like_real(item, shape, generator) for _ in range(count)])
        arrays[item.name] = samples if count > 1 else samples[0]
    np.savez(path, **arrays)
    return path


def _like_real(item: Any, shape: Any, generator: Any) -> Any:
    if item.name == "bytes":
        return generator.integers(32, 127, shape).astype(np.int32)
    if item.name == "state":
        return np.zeros(shape, np.float32)
    return (_page if len(shape) == 4 else _voice)(shape, generator).astype(np.float32)


def _page(shape: Any, generator: Any) -> Any:
    """Lines of dark strokes on light paper, from -1 to 1."""
    batch, channels, height, width = shape
    page = np.full((batch, height, width), 0.9) + generator.normal(0, 0.05, (batch, height, width))
    for index in range(batch):
        for top in range(6, height - 12, 32):
            for left in range(4, width - 8, int(generator.integers(7, 12))):
                tall = int(generator.integers(8, 24))
                page[index, top : top + tall, left : left + 2] -= 1.7
                page[index, top + tall // 2 : top + tall // 2 + 2, left : left + 6] -= 1.7
    return np.repeat(np.clip(page, -1, 1)[:, None], channels, axis=1)


def _voice(shape: Any, generator: Any) -> Any:
    """A hum with overtones at 16 kHz, and some noise."""
    time = np.arange(shape[-1]) / 16000
    pitch = generator.uniform(90, 220)
    hum = sum(np.sin(2 * np.pi * pitch * k * time) / k for k in range(1, 8))
    return np.broadcast_to(0.2 * hum, shape) + generator.normal(0, 0.01, shape)


def request_of(name: str, precision: str, *, calibrated: bool = False) -> BuildRequest:
    """Return the request to build a model in a precision, with its gate."""
    gate = {"accuracy": {"against": "onnxruntime", **TOLERANCE[precision]}}
    options = {"calibration": {"method": "max"}} if calibrated else {}
    request = request_for(precision, ARCH, verification=gate, options=options, timeout_seconds=600)
    inputs = replace(request.inputs, profiles=MODELS[name].profiles)
    return replace(request, inputs=inputs, identity=identity_of(inputs))


def table(models: list[str], precisions: list[str]) -> Iterator[str]:
    """Yield the rows, as Markdown."""
    yield "| model | precision | path | engine | seconds | largest difference |"
    yield "|---|---|---|---|---|---|"
    for name in models:
        for precision in precisions:
            with tempfile.TemporaryDirectory() as folder:
                found = gated(name, precision, Path(folder))
            result = (
                f"{found.path} | {found.size / 1024:,.0f} KiB | {found.seconds:.1f} | {found.largest:.2g}"
                if not found.reason
                else f"{found.reason} | | |"
            )
            yield f"| {name} | {precision} | {result} |"


if __name__ == "__main__":
    chosen = sys.argv[1:]
    names = [name for name in chosen if name in MODELS] or list(MODELS)
    kinds = [name for name in chosen if name in PRECISIONS] or list(PRECISIONS)
    for line in table(names, kinds):
        print(line, flush=True)
