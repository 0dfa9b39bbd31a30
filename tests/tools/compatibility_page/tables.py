"""
The tables of the page. Each asks the truth table for every cell; nothing is written down twice.
"""

from collections.abc import Iterable, Iterator, Sequence

from bindings.releases import RELEASES
from false_claims import FALSE_CLAIMS
from ignition_hub.compatibility.gpus import GPUS, Gpu, NodeGpu
from ignition_hub.compatibility.loading import EngineFacts, Runtime, loads
from ignition_hub.compatibility.option_row import OptionRow
from ignition_hub.compatibility.options import LEVEL_ROWS, OPTION_ROWS, WEAK_TYPE_ROWS
from ignition_hub.compatibility.runtimes import runtime_refusal
from ignition_hub.compatibility.support_matrix import parse_version
from ignition_hub.compatibility.verdict import Ask, PoolFacts, verdict
from ignition_hub.engine.identity import (
    AMPERE_PLUS,
    PRECISIONS,
    PRODUCT,
    SAME_COMPUTE_CAPABILITY,
    TENSORRT,
    TENSORRT_RTX,
    Target,
)

Row = Sequence[str]

YES, NO = "yes", "no"


def _kept(flavor: str) -> list[str]:
    """The versions whose bindings are kept, oldest first."""
    return [release.version for release in sorted(RELEASES) if release.flavor == flavor]


def _to_newest(*versions: str) -> tuple[str, ...]:
    """Return versions that differ, and the newest whose bindings are kept where it is newer than they."""
    newest = _kept(TENSORRT)[-1]
    return (*versions, newest) if parse_version(newest) > parse_version(versions[-1]) else versions


VERSIONS = _to_newest(
    "8.5.3.1", "8.6.1.6", "10.0.1.6", "10.4.0.26", "10.8.0.43", "10.9.0.34", "10.13.2.6", "10.16.1.11",
    "11.0.0.114", "11.4.1.8",
)  # fmt: skip
RTX_VERSIONS = (_kept(TENSORRT_RTX)[0], _kept(TENSORRT_RTX)[-1])
PAIRS = _to_newest(
    "8.5.3.1", "8.6.1.6", "8.6.3.1", "10.0.1.6", "10.13.2.6", "10.13.3.9", "11.1.0.106", "11.4.1.8"
)
LEVELS = {PRODUCT: "P", SAME_COMPUTE_CAPABILITY: "S", AMPERE_PLUS: "A"}
"""The levels, and the letter that stands for one where there is no room."""

L4 = NodeGpu("sm_89", "NVIDIA-L4", mig=None)
NODES: tuple[tuple[str, NodeGpu], ...] = (
    ("same product (L4)", L4),
    ("same capability (L40S)", NodeGpu("sm_89", "NVIDIA-L40S", mig=None)),
    ("older, Ampere (A100)", NodeGpu("sm_80", "NVIDIA-A100-SXM4-40GB", mig=None)),
    ("newer (H100)", NodeGpu("sm_90", "NVIDIA-H100-80GB-HBM3", mig=None)),
    ("Turing (T4)", NodeGpu("sm_75", "Tesla-T4", mig=None)),
    ("Jetson (Orin)", NodeGpu("sm_87", "Jetson-Orin-NX-16GB", mig=None)),
)


def levels() -> Iterator[Row]:
    """How an engine built on an L4 loads, by level of compatibility."""
    yield ["built on an NVIDIA L4 (sm_89) with", *(name for name, _ in NODES)]
    engines = [(f"`{level}`", TENSORRT, level) for level in LEVELS]
    engines.append(("TensorRT-RTX, `SameComputeCapability`", TENSORRT_RTX, SAME_COMPUTE_CAPABILITY))
    for name, flavor, level in engines:
        product = L4.product if level == PRODUCT else None
        engine = EngineFacts(flavor=flavor, arch=L4.arch, product=product, compatibility=level)
        yield [name, *(loads(engine, node).words for _, node in NODES)]


def readers() -> Iterator[Row]:
    """Which runtime reads which engine."""
    yield ["built by", *(f"runtime {version}" for version in PAIRS)]
    for built in PAIRS:
        yield [f"**{built}**", *(_reads(built, here) for here in PAIRS)]


def archs_by_version() -> Iterator[Row]:
    """Which levels a version builds for an architecture."""
    yield ["GPU", *VERSIONS, *(f"RTX {version}" for version in RTX_VERSIONS)]
    for gpu in GPUS:
        cells = [_levels_built(gpu, TENSORRT, version) for version in VERSIONS]
        yield [_named(gpu), *cells, *(_levels_built(gpu, TENSORRT_RTX, version) for version in RTX_VERSIONS)]


def precisions(flavor: str) -> Iterator[Row]:
    """Which precision an architecture has, in the newest version that builds for it."""
    yield ["GPU", *PRECISIONS]
    for gpu in GPUS:
        versions = VERSIONS if flavor == TENSORRT else RTX_VERSIONS
        cells = [
            any(_builds(gpu, flavor, one, precision=precision) for one in versions)
            for precision in PRECISIONS
        ]
        if any(cells):
            yield [_named(gpu), *(YES if cell else NO for cell in cells)]


def options() -> Iterator[Row]:
    """Which version takes which option; what a rule says beyond the rows counts too."""
    yield ["option", *VERSIONS, "TensorRT-RTX"]
    for row in OPTION_ROWS:
        cells = [YES if _takes(row, version) else NO for version in VERSIONS]
        yield [f"`{row.name}`", *cells, YES if row.rtx.verdict == "Takes" else NO]


def internals() -> Iterator[Row]:
    """What TensorRT is told without anybody asking by that name."""
    yield ["setting", *VERSIONS]
    for row in (*LEVEL_ROWS, *WEAK_TYPE_ROWS):
        yield [f"`{row.name}`", *(YES if row.exists_in(parse_version(one)) else NO for one in VERSIONS)]


def refused_by_rtx() -> Iterator[Row]:
    """What TensorRT-RTX does not take, and why."""
    yield ["option", "TensorRT-RTX", "why it is refused"]
    for row in OPTION_ROWS:
        if row.rtx.verdict != "Takes":
            yield [f"`{row.name}`", row.rtx.verdict.lower(), row.rtx.why]


def claims() -> Iterator[Row]:
    """False claims: what is true, what the product answers, what works."""
    yield ["it is said", "in truth", "the answer you get", "what works"]
    for claim in FALSE_CLAIMS:
        said = claim.shown.answer()
        answer = f"`{said.reason}`: {said.message}" if said.reason else said.message
        yield [claim.claim, claim.truth, answer, claim.remedy]


def markdown(rows: Iterable[Row]) -> str:
    """Lay rows out as a table; the first is its head."""
    head, *body = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    lines = [head, ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n"


def _reads(built: str, here: str) -> str:
    runtime = Runtime(TENSORRT, here)
    plain, compatible = (
        EngineFacts(flavor=TENSORRT, version=built, version_compatible=yes) for yes in (False, True)
    )
    if runtime_refusal(plain, runtime) is None:
        return YES
    return "version compatible" if runtime_refusal(compatible, runtime) is None else NO


def _levels_built(gpu: Gpu, flavor: str, version: str) -> str:
    letters = (letter for level, letter in LEVELS.items() if _builds(gpu, flavor, version, level=level))
    return " ".join(letters) or NO


def _takes(row: OptionRow, version: str) -> bool:
    pool = PoolFacts("own", TENSORRT, (version,), (L4.arch,), L4.product)
    target = Target("one", L4.arch, L4.product, PRODUCT)
    return verdict(pool, Ask("int8", None, None, {row.option: row.example}, target)).ok


def _builds(gpu: Gpu, flavor: str, version: str, *, precision: str = "fp32", level: str = PRODUCT) -> bool:
    pool = PoolFacts("own", flavor, (version,), (gpu.arch,), gpu.example, platform=_platform(gpu, version))
    asked = Ask(precision, None, None, {}, Target("one", gpu.arch, gpu.example, level))
    return verdict(pool, asked).ok


def _platform(gpu: Gpu, version: str) -> str:
    if not gpu.jetson:
        return "linux-x86_64"
    return "jetpack-7.2" if parse_version(version) >= (11,) else "jetpack-6.2"


def _named(gpu: Gpu) -> str:
    return f"{gpu.arch} {'Jetson ' if gpu.jetson else ''}{gpu.family}"
