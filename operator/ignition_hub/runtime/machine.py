"""
The machine an engine is to run on: its GPU, its platform, and the TensorRT that would load the engine.
"""

import platform
from dataclasses import dataclass, replace
from pathlib import Path

from ignition_hub.compatibility.gpus import GFD_MAJOR, GFD_MINOR, GFD_PRODUCT, NodeGpu, node_gpu
from ignition_hub.device import DeviceFacts, device
from ignition_hub.engine.names import LABEL_GPU_PRODUCT

TEGRA_RELEASE = Path("/etc/nv_tegra_release")
"""Where a Jetson says which L4T it runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """
    A GPU as its driver tells it, and what the driver does not know.

    ``platform`` is that of engines which load here: ``linux-x86_64``, ``linux-aarch64``, ``jetpack-6.2``, or
    None when it cannot be told, as on a Jetson whose JetPack was not named. ``product`` stands in for the
    driver's name of the GPU, which is the same for several Jetson modules.
    """

    gpu: DeviceFacts
    platform: str | None
    product: str | None = None

    @property
    def node_gpu(self) -> NodeGpu:
        """The GPU as a node's labels would describe it, for the truth table."""
        major, minor = self.gpu.capability
        labels = {GFD_PRODUCT: self.gpu.product, GFD_MAJOR: str(major), GFD_MINOR: str(minor)}
        if self.product:
            labels[LABEL_GPU_PRODUCT] = self.product
        found = node_gpu(labels) or NodeGpu(self.gpu.arch, None, None)
        return replace(
            found,
            platform=self.platform,
            memory_bytes=self.gpu.memory_bytes,
            multiprocessors=self.gpu.multiprocessors,
        )


def this_machine(ordinal: int = 0, *, jetpack: str | None = None, product: str | None = None) -> Machine:
    """
    Return the machine of this process; NoGPU without a driver.

    On a Jetson say which JetPack (``6.2``) and which module (``Jetson-Orin-NX-16GB``) it is: neither CUDA nor
    the kernel tells.
    """
    return Machine(gpu=device(ordinal), platform=platform_here(jetpack), product=product)


def platform_here(jetpack: str | None = None) -> str | None:
    """Return what engines must be built for to load here; None on a Jetson whose JetPack is not named."""
    if jetpack:
        return f"jetpack-{jetpack}"
    if TEGRA_RELEASE.exists():
        return None
    return f"{platform.system().lower()}-{platform.machine()}"
