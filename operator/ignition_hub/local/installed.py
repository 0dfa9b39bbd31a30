"""
Which TensorRT is installed here, told without loading it: its libraries take seconds and a gigabyte.
"""

import platform
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec

from ignition_hub.compatibility import support_matrix
from ignition_hub.compatibility.support_matrix import dotted, parse_version
from ignition_hub.compatibility.verdict import PoolFacts
from ignition_hub.device import DeviceFacts
from ignition_hub.engine.identity import FLAVOR_NAMES, TENSORRT, TENSORRT_RTX
from ignition_hub.local.errors import BuilderMissing

_PACKAGES = {
    TENSORRT: ("tensorrt", "tensorrt-cu13", "tensorrt-cu12"),
    TENSORRT_RTX: ("tensorrt-rtx", "tensorrt-rtx-cu13", "tensorrt-rtx-cu12"),
}
_NEEDED = ("onnx", "numpy", "onnxruntime")
_HOW = {
    TENSORRT: "pip install 'ignition-hub[builder]' tensorrt, on a machine with the GPU",
    TENSORRT_RTX: "pip install 'ignition-hub[builder-rtx]'",
}

MACHINE = "this machine"


@dataclass(frozen=True, slots=True)
class Installed:
    """One flavor of TensorRT and its full version."""

    flavor: str
    version: str


def installed(flavor: str) -> Installed | None:
    """Return the release of ``flavor`` that is installed, by its package; None when there is none."""
    for name in _PACKAGES[flavor]:
        try:
            # A package may say more than its release: 8.6.1.post1.
            return Installed(flavor, dotted(parse_version(metadata.version(name))))
        except metadata.PackageNotFoundError:
            continue
    return None


def nothing_installed(flavor: str | None) -> BuilderMissing:
    """Build the error for a machine without ``flavor``; None stands for any."""
    what = FLAVOR_NAMES[flavor] if flavor else "TensorRT"
    return BuilderMissing(
        f"{what} is not installed",
        f"{_HOW[flavor or TENSORRT_RTX]}; or give flavor and the full tensorrt_version to look for",
    )


def check_builder(flavor: str) -> None:
    """Raise BuilderMissing unless everything that building with ``flavor`` imports is here."""
    lacking = [name for name in _NEEDED if find_spec(name) is None]
    if installed(flavor) is None:
        lacking.insert(0, _PACKAGES[flavor][0])
    if lacking:
        raise BuilderMissing(
            f"the engine is in no cache and cannot be built here: {', '.join(lacking)} not installed",
            _HOW[flavor],
        )


def machine_as_pool(found: Installed, gpu: DeviceFacts | None) -> PoolFacts:
    """Return this machine as the truth table sees a pool: RTX compiles on a CPU, TensorRT on its own GPU."""
    ahead_of_time = found.flavor == TENSORRT_RTX
    return PoolFacts(
        name=MACHINE,
        flavor=found.flavor,
        versions=(found.version,),
        archs=support_matrix.RTX_ARCHS if ahead_of_time else (gpu.arch,) if gpu else (),
        product=None if ahead_of_time or gpu is None else gpu.product,
        ahead_of_time=ahead_of_time or gpu is None,
        platform=machine_platform(),
    )


def machine_platform() -> str:
    """Return ``linux-x86_64`` or ``linux-aarch64``."""
    return f"linux-{platform.machine()}"
