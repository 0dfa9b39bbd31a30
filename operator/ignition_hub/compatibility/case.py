"""
What the rules of the truth table look at: one pool, one target, and the words to speak of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ignition_hub.compatibility import support_matrix
from ignition_hub.compatibility.auto_build import AutoBuild
from ignition_hub.compatibility.gpus import GPUS, Gpu
from ignition_hub.compatibility.options import WEAK_TYPE_ROWS
from ignition_hub.compatibility.support_matrix import Version, parse_version
from ignition_hub.compatibility.tenants import Tenants
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import FLAVOR_NAMES, TENSORRT_RTX, EngineInputs, Target


@dataclass(frozen=True, slots=True)
class PoolFacts:
    """One flavor of one BuildPool; full ``versions``; one arch for a GPU pool, several for a CPU pool."""

    name: str
    flavor: str
    versions: tuple[str, ...]
    archs: tuple[str, ...]
    product: str | None = None
    ahead_of_time: bool = False
    platform: str = "linux-x86_64"
    tenants: Tenants = ()
    shared_by: str = ""
    """What of the pool says that its GPUs are shared, beside the product; empty when nothing does."""
    auto_build: AutoBuild | None = None
    """None: it builds only what a specification asks for."""


@dataclass(frozen=True, slots=True)
class Ask:
    """What one target asks of a pool; None stands for "whatever the pools offer"."""

    precision: str
    flavor: str | None
    version_prefix: str | None
    options: Mapping[str, Any] = field(hash=False)
    target: Target
    verification: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @classmethod
    def of_inputs(cls, inputs: EngineInputs) -> "Ask":
        """Ask for the very engine that these inputs identify."""
        return cls(
            precision=inputs.precision,
            flavor=inputs.flavor,
            version_prefix=inputs.tensorrt_version,
            options=inputs.options,
            target=inputs.target,
            verification=inputs.verification,
        )


@dataclass(frozen=True, slots=True)
class Case:
    """What a rule looks at; ``version`` is the candidate, empty while none is chosen."""

    pool: PoolFacts
    ask: Ask
    gpu: Gpu
    version: str = ""

    @property
    def target(self) -> Target:
        """The target that is asked for."""
        return self.ask.target

    @property
    def is_rtx(self) -> bool:
        """Whether the pool offers TensorRT-RTX."""
        return self.pool.flavor == TENSORRT_RTX

    @property
    def release(self) -> Version:
        """The candidate version as numbers."""
        return parse_version(self.version)

    @property
    def tensorrt(self) -> str:
        """The flavor, and the version once there is one, as a message names them."""
        return f"{FLAVOR_NAMES.get(self.pool.flavor, self.pool.flavor)} {self.version}".strip()


class Refusal(NamedTuple):
    """Why a rule says no."""

    reason: Reason
    message: str
    remedy: str


Rule = Callable[[Case], Refusal | None]


def has_precision(gpu: Gpu, precision: str, flavor: str) -> bool:
    """Tell whether engines of a precision can run on a GPU; False also for GPUs the flavor does not know."""
    rtx = flavor == TENSORRT_RTX
    if rtx and gpu.arch not in support_matrix.RTX_ARCHS:
        return False
    floor = support_matrix.type_floor(precision, rtx=rtx)
    has_gap = gpu.compute_capability in support_matrix.TYPE_GAPS.get(precision, ())
    if has_gap or not (rtx or _meet(gpu, precision)):
        return False
    return floor is None or gpu.compute_capability >= floor


def type_since(precision: str) -> Version:
    """Return the first TensorRT that has a precision; ``()`` for those that every one has."""
    return next((row.since for row in WEAK_TYPE_ROWS if row.part == precision), ())


def has_ampere_plus(gpu: Gpu) -> bool:
    """Tell whether AmperePlus engines load on a GPU; on Jetson nothing but the exact module does."""
    return gpu.compute_capability >= support_matrix.AMPERE and not gpu.jetson


def a_gpu(gpu: Gpu) -> str:
    """Name a kind of GPU in a sentence: "a Hopper GPU", "an sm_86 GPU such as NVIDIA-A10"."""
    if gpu.jetson:
        return f"a Jetson module such as {gpu.example}"
    alone = sum(other.family == gpu.family and not other.jetson for other in GPUS) == 1
    article = "an" if gpu.family[0] in "AEIOU" else "a"
    return f"{article} {gpu.family} GPU" if alone else f"an {gpu.arch} GPU such as {gpu.example}"


def _meet(gpu: Gpu, precision: str) -> bool:
    """Tell whether any TensorRT has the precision and still builds for the GPU."""
    _, until = support_matrix.versions_for(gpu.compute_capability)
    return until is None or type_since(precision) < until
