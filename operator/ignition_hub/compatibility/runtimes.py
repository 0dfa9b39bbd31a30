"""
Which runtime reads which engine, by version alone, and what the process that loads it must do.

TensorRT compares all four parts of a version, patch and build too; only a version compatible engine is read
by newer runtimes (NVIDIA documentation). ``loading`` asks here before it looks at the GPU.
"""

from dataclasses import dataclass
from typing import Protocol

from ignition_hub.compatibility.case import Refusal
from ignition_hub.compatibility.support_matrix import Version, dotted, parse_version
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.identity import FLAVOR_NAMES, TENSORRT_RTX

NEXT_MAJOR = {8: 10, 10: 11}
"""The one major version after its own that reads a version compatible engine; 8 to 11 is not supported."""

COMPATIBLE_SINCE: Version = (8, 6)
"""The first TensorRT that builds version compatible engines."""

PARTS = 4


class Versioned(Protocol):
    """What an engine says about the TensorRT that built it; ``version`` is None when nobody knows."""

    @property
    def flavor(self) -> str:
        """TensorRT or TensorRTRTX."""

    @property
    def version(self) -> str | None:
        """The version that built it, ``10.13.2.6``."""

    @property
    def version_compatible(self) -> bool:
        """Whether it was built with VERSION_COMPATIBLE."""

    @property
    def excludes_lean_runtime(self) -> bool:
        """Whether it was built with EXCLUDE_LEAN_RUNTIME."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """The TensorRT that would load the engine; ``version`` may have fewer than four parts."""

    flavor: str
    version: str

    def __str__(self) -> str:
        return f"{FLAVOR_NAMES.get(self.flavor, self.flavor)} {self.version}"


def runtime_refusal(engine: Versioned, runtime: Runtime) -> Refusal | None:
    """Return why ``runtime`` does not read ``engine``, None when it does or nobody can tell."""
    if engine.flavor != runtime.flavor:
        return _refused(
            f"the engine is for {FLAVOR_NAMES[engine.flavor]}, and the runtime is {runtime}",
            f"load it with {FLAVOR_NAMES[engine.flavor]}, or build it with tensorrt.flavor: {runtime.flavor}",
        )
    if engine.version is None:
        return None
    built, here = parse_version(engine.version), parse_version(runtime.version)
    if _is_same(built, here):
        return None
    if engine.flavor == TENSORRT_RTX or not engine.version_compatible or built < COMPATIBLE_SINCE:
        return _exact_only(engine, runtime)
    return _across(engine, runtime, built, here)


def is_own_runtime(engine: Versioned, runtime: Runtime) -> bool:
    """
    Tell whether ``runtime`` is the release that built ``engine``, as far as both tell theirs.

    It loads the engine as it is: also a version compatible one without a lean runtime (run on 8.6.0).
    """
    return _is_same(parse_version(engine.version or ""), parse_version(runtime.version))


def readers_of(engine: Versioned) -> str:
    """Say in words which runtimes read ``engine``."""
    name, version = FLAVOR_NAMES[engine.flavor], engine.version
    if version is None:
        return f"{name} of the version that built it"
    if engine.flavor == TENSORRT_RTX or not engine.version_compatible:
        return f"exactly {name} {version}"
    major = parse_version(version)[0]
    later = f", and every {name} {NEXT_MAJOR[major]}" if major in NEXT_MAJOR else ""
    return f"{name} {version} and newer {major}.x{later}"


def duties_of(engine: Versioned) -> tuple[str, ...]:
    """Return what the process that loads ``engine`` must do besides; empty for most engines."""
    if not engine.version_compatible or engine.flavor == TENSORRT_RTX:
        return ()
    if engine.excludes_lean_runtime:
        major = parse_version(engine.version or "")[:1]
        library = f"libnvinfer_lean.so.{dotted(major)}" if major else "libnvinfer_lean.so"
        return (
            "with another TensorRT than the one that built it, load it through "
            f"runtime.load_runtime(the path of {library}): no lean runtime is embedded",
        )
    return (
        "set engine_host_code_allowed = True on the runtime: that runs the lean runtime embedded in the "
        "engine, so do it only if you trust who built the engine",
    )


def _is_same(built: Version, here: Version) -> bool:
    """Compare as many parts as both have; whoever names three parts does not speak of the build."""
    parts = min(len(built), len(here), PARTS)
    return parts > 0 and built[:parts] == here[:parts]


def _exact_only(engine: Versioned, runtime: Runtime) -> Refusal:
    name = FLAVOR_NAMES[engine.flavor]
    why = "TensorRT-RTX engines need their own release" if engine.flavor == TENSORRT_RTX else (
        "without version compatibility all four parts must be equal"
    )  # fmt: skip
    return _refused(
        f"the engine was built by {name} {engine.version}, and the runtime is {runtime}: {why}",
        f'build it with tensorrt.version: "{runtime.version}", or load it with {name} {engine.version}',
    )


def _across(engine: Versioned, runtime: Runtime, built: Version, here: Version) -> Refusal | None:
    if here < built[: len(here)]:
        return _refused(
            f"the engine was built by TensorRT {engine.version}, and {runtime} is older: version "
            "compatibility covers newer releases only",
            f'build it with tensorrt.version: "{runtime.version}", or load it with that release or newer',
        )
    if here[0] in (built[0], NEXT_MAJOR.get(built[0])):
        return None
    return _refused(
        f"the engine was built by TensorRT {engine.version}, and {runtime} is too new: {built[0]} to "
        f"{here[0]} is not supported, also for version compatible engines",
        f"build it with a TensorRT {_before(here[0])} or newer, or load it with {readers_of(engine)}",
    )


def _before(major: int) -> int:
    return next((before for before, after in NEXT_MAJOR.items() if after == major), major)


def _refused(message: str, remedy: str) -> Refusal:
    return Refusal(Reason.WrongTensorRT, message, remedy)
