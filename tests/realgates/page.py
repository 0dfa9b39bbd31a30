"""The table of what the gate says of trained networks, and the page around it."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from realgates.cpu import Gated, gated
from realgates.request import PRECISIONS
from realmodels import MODELS

ENGINES = Path(__file__).parent.parent / "gpu" / "engine_verdicts.json"
"""What ``python -m realgates engines`` measured last, kept."""

HEAD = """| model | precision | way | engine | build | largest difference | gate | engine on GPU |
|---|---|---|---|---|---|---|---|"""

PAGE = """# Accuracy of trained networks

Seven networks out of published Python packages, built in four precisions for sm_89 with TensorRT-RTX on a
CPU, each with `verification.accuracy`. Written by `make accuracy`; the numbers differ a little between
machines.

The gate runs the model as it came and the converted or quantized one with onnxruntime on numbers like the
network's real inputs, as [building.md](building.md#gates) says, and asks of every value
`|candidate - model| <= atol + rtol * |model|`: rtol and atol are 0.005 for fp16, 0.05 for bf16, and 0.1 for
999 of 1,000 values for int8. No metric of the task is looked at: a network that is held back here may be good
enough for its task, with a tolerance that its owner chooses. int8 was calibrated with 16 samples, by range.

"""


ON_GPU = """The last column is what the engine itself said on {gpu} (driver {driver}, {date}), built
there by `ignition build` with TensorRT {release}, on the same numbers; fp32 with rtol and atol of 0.001, for
a GPU adds in another order. Before 10.12 TensorRT chooses the types of fp16 by itself and has the model as it
came, so there the two columns are about different engines, and no gate on a CPU can know what it will choose.
An empty field was not measured there.

"""


def show(chosen: Sequence[str]) -> None:
    """Build what ``chosen`` names, by default all, and print the table; into a page that it names, too."""
    names = [name for name in chosen if name in MODELS] or list(MODELS)
    kinds = [name for name in chosen if name in PRECISIONS] or list(PRECISIONS)
    table = [HEAD]
    print(HEAD)
    for line in rows(names, kinds, engines()):
        print(line, flush=True)
        table.append(line)
    for page in (name for name in chosen if name.endswith(".md")):
        Path(page).write_text(PAGE + machine() + "\n".join(table) + "\n", encoding="utf-8")


def rows(names: Sequence[str], kinds: Sequence[str], measured: Mapping[Any, str]) -> Iterator[str]:
    """Build each of ``names`` in each of ``kinds``, and yield the rows."""
    for name in names:
        for precision in kinds:
            with tempfile.TemporaryDirectory() as folder:
                yield row(gated(name, precision, Path(folder)), measured.get((name, precision), ""))


def row(found: Gated, on_gpu: str = "") -> str:
    """Return one row of the table."""
    figures = (
        f"{found.path} | {found.size / 1024:,.0f} KiB | {found.seconds:.1f} s | {found.largest:.2g} | passed"
        if not found.reason
        else f"| | | | {found.reason}"
    )
    return f"| {found.model} | {found.precision} | {figures} | {on_gpu} |"


def engines(path: Path = ENGINES) -> dict[tuple[str, str], str]:
    """Return what the engines said on a GPU, by network and precision, as far as it is kept."""
    return {(item["model"], item["precision"]): _said(item) for item in _kept(path)["builds"]}


def machine(path: Path = ENGINES) -> str:
    """Return what the page says of the machine that measured; nothing where nothing is kept."""
    kept = _kept(path)
    releases = sorted({item["release"] for item in kept["builds"] if "release" in item})
    return ON_GPU.format(**kept, release=" and ".join(releases)) if kept["builds"] else ""


def _kept(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"builds": []}


def _said(item: Mapping[str, Any]) -> str:
    if "reason" in item:
        return f"{item['reason']}: {item['message']}".replace("|", "\\|").replace("\n", " ")
    largest = max(output["maxAbsolute"] for output in item["accuracy"]["outputs"])
    return f"passed, {largest:.2g}"
