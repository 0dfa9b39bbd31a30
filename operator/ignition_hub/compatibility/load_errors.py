"""
What NVIDIA's software says when an engine does not load, recognised: the reason, and what would work.

TensorRT tells the cause in its log only and returns nothing; the runtime reads the log with this page. The
texts were read from NVIDIA's libraries (8.5 to 11.4 and RTX 1.7) unless a row says otherwise; "run" was seen
with engines of TensorRT 8.6.0 on an H200. What is said while building is the builder's own page.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.quoting import on_one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """A text of NVIDIA's errors: what is looked for in it, what it means and what would work."""

    pattern: str
    reason: Reason
    means: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a message means; ``means`` has the figures that the message names."""

    reason: Reason
    means: str
    remedy: str


def _saying(pattern: str, reason: Reason, means: str, remedy: str) -> Saying:
    return Saying(pattern=pattern, reason=reason, means=means, remedy=remedy)


_SAME_VERSION = "load it with the TensorRT that built it, or build it with the installed one"
_TARGET = "build it for a target with this GPU"
_LOOK = "inspect it with: ignition inspect FILE"

SAYINGS: tuple[Saying, ...] = (
    _saying(
        r"not compatible with this version of TensorRT, expecting library version (?P<here>[\d.]+) "
        r"got (?P<built>[\d.]+)",
        Reason.WrongTensorRT,
        "the engine was built by TensorRT {built}, and the runtime is {here}",
        _SAME_VERSION,
    ),
    _saying(
        r"generated on an incompatible device, expecting compute (?P<here>[\d.]+) got compute "
        r"(?P<built>[\d.]+)",
        Reason.WrongGPU,
        "the engine was built for compute capability {built}, and the GPU has {here}",
        _TARGET,
    ),
    _saying(
        r"The current device only supports (?P<here>\d+) multiprocessors but the engine file requires "
        r"(?P<built>\d+)",
        Reason.WrongGPU,
        "the engine needs {built} multiprocessors, and the GPU, or the slice of it, has {here}",
        "give the process the whole GPU, or build on a GPU cut the same way",
    ),
    _saying(
        r"The engine cannot run on this GPU, which has compute capability (?P<here>[\d.]*\d)",
        Reason.WrongGPU,
        "the TensorRT-RTX engine has no code for compute capability {here}",
        _TARGET,
    ),
    _saying(
        r"current device is not compatible with this hardware-compatible engine",
        Reason.WrongGPU,
        "the GPU is below the compute capability at which the engine's compatibility starts",
        _TARGET,
    ),
    _saying(
        r"Platform specific tag mismatch",
        Reason.WrongPlatform,
        "the engine was built for another operating system or processor architecture",
        "build it on a BuildPool of this platform",
    ),
    _saying(
        r"is version-locked",
        Reason.WrongTensorRT,
        "the engine is not version compatible, and the runtime is another release",
        f"{_SAME_VERSION}, or build it with options.versionCompatible",
    ),
    # Reported of 8.4 to 10.11; in a plan the format comes before the release (read from the code of 8.5.3.1).
    _saying(
        r"Version tag does not match\. Note: Current Version: (?P<here>\d+), Serialized Engine Version: "
        r"(?P<built>\d+)",
        Reason.WrongTensorRT,
        "the engine is in plan format {built}, which another TensorRT wrote, and the runtime reads {here}",
        _SAME_VERSION,
    ),
    # Run: a plan of 8.6.0 that is not version compatible, in the lean runtimes of 10.16.1 and 11.4.0.
    _saying(
        r"Failed due to an old deserialization call on a newer plan file",
        Reason.WrongTensorRT,
        "the engine has no runtime that this one can use: it was built for another TensorRT release only",
        f"{_SAME_VERSION}, or build it with options.versionCompatible and the lean runtime embedded",
    ),
    # Run: the same plan in the dispatch runtimes of both.
    _saying(
        r"Unexpected call to stub \w+",
        Reason.WrongTensorRT,
        "the dispatch runtime loads only version compatible engines that embed their lean runtime",
        f"{_SAME_VERSION}, or build it with options.versionCompatible and the lean runtime embedded",
    ),
    # Run: load_runtime of 8.6.0 given libnvinfer.so.8 itself.
    _saying(
        r"getForwardCompatibilityHelper",
        Reason.WrongTensorRT,
        "the given library is not a lean runtime",
        "give libnvinfer_lean of the TensorRT that built the engine",
    ),
    _saying(
        r"TensorRT plan major version does not match runtime major version",
        Reason.WrongTensorRT,
        "version compatibility does not cover this runtime's major version",
        _SAME_VERSION,
    ),
    _saying(
        r"getEngineHostCodeAllowed\(\) is false",
        Reason.HostCodeNotTrusted,
        "the version compatible engine embeds a lean runtime, which is executable code",
        "allow it (engine_host_code_allowed = True) if you trust who built the engine, or build it with "
        "options.versionCompatible.excludeLeanRuntime",
    ),
    _saying(
        r"libnvinfer_lean",
        Reason.WrongTensorRT,
        "the lean runtime that the engine needs is not installed",
        "install the lean runtime of the TensorRT that built the engine and load it with load_runtime",
    ),
    _saying(
        r"incompatible serialization version|[Mm]agic tag does not match|kPLAN_MAGIC_TAG|kMAGIC_TAG|"
        r"Engine not found in plan",
        Reason.PlanRejected,
        "the file is not a plan of this TensorRT, or it is corrupted",
        _LOOK,
    ),
    _saying(
        r"[Pp]lugin not found|Cannot find plugin|IPluginCreator not found",
        Reason.UnsupportedOperator,
        "the engine uses a plugin that this process has not loaded",
        "load the plugin library first, or build with the plugin's delivery: Packed",
    ),
    # Sizes, offsets and the end mark are checked so from 8.5 on (read); what is not known above is damage.
    _saying(
        r"Serialization assertion .+ failed",
        Reason.PlanRejected,
        "the plan is inconsistent: it is truncated or corrupted",
        _LOOK,
    ),
    _saying(
        r"CUDA driver version is insufficient|cudaError(InsufficientDriver| 35\b)|"
        r"initialization failure with error: 35\b",
        Reason.NoGPU,
        "the NVIDIA driver is missing or older than this TensorRT requires",
        "give the process a GPU with a newer driver",
    ),
    _saying(
        r"(?i)out of memory|OutOfMemory|cudaErrorMemoryAllocation",
        Reason.OutOfMemory,
        "the GPU does not have enough free memory for the engine",
        "free GPU memory, load fewer engines, or build with options.weightStreaming",
    ),
)
"""
Most telling first; of several messages the first row that fits any of them counts. Whether too few
multiprocessors are an error or a warning was not seen; a deadlock is the worse surprise.
"""


def cause_of(messages: Iterable[str]) -> Recognised | None:
    """Return the most telling error among ``messages``, None when nothing known is said."""
    known = [on_one_line(message) for message in messages]
    for saying in SAYINGS:
        for text in known:
            if found := _found(saying, text):
                return _meaning(saying, found)
    return None


def _found(saying: Saying, text: str) -> re.Match[str] | None:
    # Compiled when something failed to load, and not while every process of the hub starts.
    return re.search(saying.pattern, text)


def _meaning(saying: Saying, found: re.Match[str]) -> Recognised:
    return Recognised(
        reason=saying.reason,
        means=saying.means.format(**found.groupdict()),
        remedy=saying.remedy,
    )
