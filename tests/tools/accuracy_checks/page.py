"""The table of what the accuracy check says of trained networks, and the page around it."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from accuracy_checks.cpu import CheckedBuild, checked_build
from accuracy_checks.request import PRECISIONS
from ignition_hub.engine.errors import Reason
from realmodels import MODELS

ENGINES = Path(__file__).parents[2] / "gpu" / "engine_verdicts.json"
"""What ``python -m accuracy_checks engines`` measured last, kept."""

HEAD = """| model | precision | way | engine | build | difference | same answers | check | engine on GPU |
|---|---|---|---|---|---|---|---|---|"""

PAGE = """# Accuracy of trained networks

Seven networks out of published Python packages, built in four precisions for sm_89 with TensorRT-RTX on a
CPU, each with `verification.accuracy`. Written by `make accuracy`; the numbers differ a little between
machines.

The check runs the model as it came and the converted or quantized one with onnxruntime on numbers like the
network's real inputs, as [building.md](building.md#accuracy-and-benchmark-checks) says, and asks of every
value `|candidate - model| <= atol + rtol * |model|`: rtol and atol are 0.005 for fp16, 0.05 for bf16, and 0.1
for 999 of 1,000 values for int8 that are not near 0. The clear answers of a classifier must stay the same.
The table has the largest difference of any value. int8 was calibrated with 16 samples, by range.

## What a pass means

- The model that was compiled, computed in its own types on a CPU, is as near to the model as it came as the
  tolerance says, on the inputs of that one run, and its clear answers on them are the same.
- No value became NaN or infinite on them.
- `nothing to compare` is no pass: the model was built as it came, and a CPU would compute the same numbers
  twice.

## What it does not mean

- That the engine was run. Only `checked: engine`, on a pool with the GPU, says that; TensorRT may have fused,
  reordered or accumulated otherwise, or be wrong.
- That other inputs do as well: [real models](real-models.md) were asked on some that the check had not seen.
  Without `inputs` numbers are drawn, and a network answers noise in its own way.
- That the task is done as well: no metric of it is looked at. A network that is held back here may be good
  enough for its task, with a tolerance that its owner chooses; one that passes with a `quantile` or an
  `agreement` below 1 was let off what these leave out.
- That an answer which was a close call stays the same: the column `same answers` counts these too.

## The figures

"""


ON_GPU = """The last column is what the engine itself said on {gpu} (driver {driver}, {date}), built
there by `ignition build` with TensorRT {release}, on the same numbers; fp32 with rtol and atol of 0.001, for
a GPU adds in another order. Before 10.12 TensorRT chooses the types of fp16 by itself and has the model as it
came, so there the two columns are about different engines, and no check on a CPU knows what it will choose.
An empty field was not measured there.

"""


def show(chosen: Sequence[str]) -> None:
    """Build what ``chosen`` names, by default all, and print the table; into a page that it names, too."""
    names = [name for name in chosen if name in MODELS] or list(MODELS)
    kinds = [name for name in chosen if name in PRECISIONS] or list(PRECISIONS)
    table, measured, built = [HEAD], engines(), []
    print(HEAD)
    for found in _each(names, kinds):
        built.append(found)
        table.append(row(found, measured.get((found.model, found.precision), "")))
        print(table[-1], flush=True)
    for page in (name for name in chosen if name.endswith(".md")):
        text = PAGE + machine() + "\n".join(table) + "\n" + sameness(built, measured)
        Path(page).write_text(text, encoding="utf-8")


def _each(names: Sequence[str], kinds: Sequence[str]) -> Iterator[CheckedBuild]:
    for name in names:
        for precision in kinds:
            with tempfile.TemporaryDirectory() as folder:
                yield checked_build(name, precision, Path(folder))


def sameness(built: Sequence[CheckedBuild], measured: Mapping[tuple[str, str], str]) -> str:
    """Return the sentence on how often the check on the CPU said of a build what its engine said."""
    said = [
        (_passed(found), _passed_on_gpu(measured.get((found.model, found.precision), ""))) for found in built
    ]
    both = [(cpu, gpu) for cpu, gpu in said if cpu is not None and gpu is not None]
    if not both:
        return ""
    same, wrongly = sum(cpu == gpu for cpu, gpu in both), sum(cpu and not gpu for cpu, gpu in both)
    return (
        f"\nOf {len(both)} builds that both looked at, the check on the CPU said what the engine said of "
        f"{same};\n{wrongly} passed on the CPU and failed on the GPU.\n"
    )


def _passed(found: CheckedBuild) -> bool | None:
    """Tell whether the check on the CPU passed; None where it had nothing to say."""
    if found.reason:
        return False if found.reason.startswith(Reason.VerificationFailed) else None
    return None if found.largest is None else True


def _passed_on_gpu(said: str) -> bool | None:
    if said.startswith("passed"):
        return True
    return False if said.startswith(Reason.VerificationFailed) else None


def row(found: CheckedBuild, on_gpu: str = "") -> str:
    """Return one row of the table."""
    figures = f"| | | | | {found.reason}" if found.reason else _figures(found)
    return f"| {found.model} | {found.precision} | {figures} | {on_gpu} |"


def _figures(found: CheckedBuild) -> str:
    built = f"{found.path} | {found.size / 1024:,.0f} KiB | {found.seconds:.1f} s"
    if found.largest is None:
        return f"{built} | | | nothing to compare"
    same = "" if found.agreement is None else f"{found.agreement * 100:.3g} %"
    return f"{built} | {found.largest:.2g} | {same} | passed"


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
    asked = f" ({', '.join(item['options'])})" if "options" in item else ""
    if "reason" in item:
        return f"{item['reason']}: {item['message']}{asked}".replace("|", "\\|").replace("\n", " ")
    largest = max(output["maxAbsolute"] for output in item["accuracy"]["outputs"])
    return f"passed, {largest:.2g}{asked}"
