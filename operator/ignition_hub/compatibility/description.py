"""
Where an engine loads, in words: GPUs, platform, runtimes, and what the loading process must do.

``loads`` is asked about every known GPU, so ``plan``, ``inspect`` and the documentation can say nothing
else than the gateway does.
"""

from dataclasses import dataclass, replace
from typing import Any

from ignition_hub.compatibility.gpus import GPUS, Gpu, NodeGpu
from ignition_hub.compatibility.loading import EngineFacts, loads
from ignition_hub.compatibility.runtimes import duties_of, readers_of
from ignition_hub.engine.identity import AMPERE_PLUS, PRODUCT


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """
    Where one engine loads: ``gpus`` and ``runtimes`` in words, ``archs`` as names, ``platform`` when known.

    ``duties`` are what the process that loads it must do; empty for most engines.
    """

    gpus: str
    archs: tuple[str, ...]
    runtimes: str
    platform: str | None
    duties: tuple[str, ...] = ()

    def __str__(self) -> str:
        where = f"on {self.gpus}" + (f", {self.platform}" if self.platform else "")
        return "; ".join((f"{where}, with {self.runtimes}", *self.duties))

    def to_json(self) -> dict[str, Any]:
        """Return what ``plan`` and ``inspect`` show, with names as the API has them."""
        return {
            "gpus": self.gpus,
            "gpuArchs": list(self.archs),
            "runtimes": self.runtimes,
            "platform": self.platform,
            "duties": list(self.duties),
        }


def where_it_loads(engine: EngineFacts) -> Reach:
    """Return where the hub vouches that ``engine`` loads; what only loads with a warning is not in it."""
    archs = tuple(gpu.arch for gpu in GPUS if _serves(engine, gpu))
    return Reach(
        gpus=_gpus_in_words(engine, archs),
        archs=archs,
        runtimes=readers_of(engine),
        platform=engine.platform,
        duties=duties_of(engine),
    )


def _serves(engine: EngineFacts, gpu: Gpu) -> bool:
    product = engine.product if engine.arch == gpu.arch else None
    node = NodeGpu(gpu.arch, product or gpu.example, mig=None)
    return loads(replace(engine, platform=None), node).is_vouched_for


def _gpus_in_words(engine: EngineFacts, archs: tuple[str, ...]) -> str:
    if not archs:
        return "unknown GPUs (the plan does not record them)" if engine.arch is None else "no known GPU"
    if engine.compatibility == PRODUCT:
        mode = f" in power mode {engine.power_mode}" if engine.power_mode else ""
        return f"{engine.product} alone{mode}"
    if engine.compatibility == AMPERE_PLUS and len(archs) > 1:
        return f"every GPU of compute capability 8.0 or newer except Jetson ({', '.join(archs)})"
    return f"every {' and '.join(archs)} GPU"
