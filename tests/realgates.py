"""
Build trained networks in every precision, with the accuracy gate, and print what came of it. ::

    python -m realgates                         all models, all precisions, as a table
    python -m realgates ppocr-cls int8          one of them
    python -m realgates docs/accuracy.md        the page

The candidate runs on the CPU: the converted or quantized model against the model as it came, on numbers
drawn like the network's real inputs; int8 is calibrated on others of the same kind.
"""

import sys
import tempfile
from collections.abc import Iterator, Sequence
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

HEAD = """| model | precision | way | engine | build | largest difference | gate |
|---|---|---|---|---|---|---|"""

PAGE = """# Accuracy of trained networks

Six networks out of published Python packages, built in four precisions for sm_89 with TensorRT-RTX on a CPU,
each with `verification.accuracy`. Written by `make accuracy`; the numbers differ a little between machines.

The gate runs the model as it came and the converted or quantized one with onnxruntime on numbers like the
network's real inputs, and asks of every value `|candidate - model| <= atol + rtol * |model|`: rtol and atol
are 0.005 for fp16, 0.05 for bf16, and 0.1 for 999 of 1,000 values for int8. No metric of the task is looked
at: a network that is held back here may be good enough for its task, with a tolerance that its owner chooses.
int8 was calibrated with 16 samples, by range.

"""


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


def row(found: Gated) -> str:
    """Return one row of the table."""
    figures = (
        f"{found.path} | {found.size / 1024:,.0f} KiB | {found.seconds:.1f} s | {found.largest:.2g} | passed"
        if not found.reason
        else f"| | | | {found.reason}"
    )
    return f"| {found.model} | {found.precision} | {figures} |"


def rows(names: Sequence[str], kinds: Sequence[str]) -> Iterator[str]:
    """Build each of ``names`` in each of ``kinds``, and yield the rows."""
    for name in names:
        for precision in kinds:
            with tempfile.TemporaryDirectory() as folder:
                yield row(gated(name, precision, Path(folder)))


def write(page: Path, lines: Iterator[str]) -> None:
    """Write the page around the table, showing each row as it comes."""
    table = []
    for line in lines:
        print(line, flush=True)
        table.append(line)
    page.write_text(PAGE + "\n".join([HEAD, *table]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    chosen = sys.argv[1:]
    names = [name for name in chosen if name in MODELS] or list(MODELS)
    kinds = [name for name in chosen if name in PRECISIONS] or list(PRECISIONS)
    pages = [Path(name) for name in chosen if name.endswith(".md")]
    if pages:
        write(pages[0], rows(names, kinds))
    else:
        print(HEAD)
        for line in rows(names, kinds):
            print(line, flush=True)
