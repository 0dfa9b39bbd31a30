"""
What TensorRT and TensorRT-RTX support, as tables: architectures, data types, levels of compatibility.

``verdict`` decides with these and never without. Sources: "documentation" is NVIDIA's, "measured" was
run on TensorRT-RTX 1.7.1 without a GPU, "source" is NVIDIA's public source.
"""

from collections.abc import Mapping

from ignition_hub.engine.identity import TENSORRT_RTX

Capability = tuple[int, int]
Version = tuple[int, ...]

OLDEST: Version = (8, 5)
"""The first TensorRT whose engines know their tensors by name; 8.4.1.5 does not (read from the bindings)."""

RTX_ARCHS = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_120", "sm_121")
"""All that TensorRT-RTX compiles for (measured), although its library holds code for 9.0 and 10.0."""

RTX_SINCE: Mapping[Capability, Version] = {(12, 1): (1, 5)}
"""First TensorRT-RTX for an architecture, where 1.4 lacks it (read from the bindings)."""

TYPE_FLOORS: Mapping[str, Capability] = {
    "tf32": (8, 0),
    "bf16": (8, 0),
    "fp8": (8, 9),
    "fp4": (10, 0),
}
"""Lowest compute capability of a data type, both flavors (documentation; all but tf32 measured on RTX)."""

RTX_TYPE_FLOORS: Mapping[str, Capability] = {"int4": (8, 0)}
"""What RTX demands beyond ``TYPE_FLOORS`` (measured)."""

TYPE_GAPS: Mapping[str, frozenset[Capability]] = {
    "fp16": frozenset({(6, 1)}),
    "int8": frozenset({(5, 3), (6, 0), (6, 2)}),
}
"""Compute capabilities without the data type although older ones have it (documentation of TensorRT 8.6)."""

RTX_REFUSAL = "the model contains HW-specific datatypes"
"""How TensorRT-RTX refuses a data type that a target lacks (measured)."""

CAPABILITY_FLOORS: tuple[tuple[Version, Capability], ...] = (
    ((10, 5), (7, 5)),
    ((10, 0), (7, 0)),
    ((0,), (5, 3)),
)
"""Lowest compute capability from a TensorRT version on, newest first: 10.5 removed Volta (documentation)."""

CAPABILITY_SINCE: Mapping[Capability, Version] = {
    (10, 0): (10, 8),
    (10, 3): (10, 14),
    (11, 0): (10, 13),
    (12, 0): (10, 8),
    (12, 1): (10, 14),
}
"""
First TensorRT for a Blackwell GPU (release notes; JetPack 7.0 for 11.0). The older ones precede 8.5: the
libraries of 8.5.3.1 hold code for 3.5 to 9.0, none of its own for 8.9, as those of 8.6.0 do not (read).
"""

CAPABILITY_UNTIL: Mapping[Capability, Version] = {(7, 2): (10, 0)}
"""First TensorRT without a Jetson: JetPack 5 was the last for Xavier, JetPack 6 began TensorRT 10."""

AMPERE: Capability = (8, 0)
TURING: Capability = (7, 5)
AMPERE_PLUS_SINCE: Version = (8, 6)
SAME_CAPABILITY_SINCE: Version = (10, 9)
JETSON_SBSA_SINCE: Version = (10, 16, 1)
"""From here on Orin's GPU works with the server build for aarch64 (documentation)."""
JETPACK_7_SINCE: Version = (11, 4, 1)
"""TensorRT 11.0 to 11.4.0 has no JetPack at all; 11.4.1 needs JetPack 7 (documentation)."""

STRONGLY_TYPED_SINCE: Version = (10, 12)
"""From here on a strongly typed network refuses precision flags; 11 has no other (documentation)."""


def parse_version(text: str) -> Version:
    """Return ``(10, 13, 2)`` for ``10.13.2``; parts that are no numbers end it."""
    parts: list[int] = []
    for part in text.split("."):
        if not part.isdecimal():
            break
        parts.append(int(part))
    return tuple(parts)


def is_strongly_typed(flavor: str, version: str) -> bool:
    """Tell whether engines are built strongly typed: always by TensorRT-RTX, by TensorRT from 10.12 on."""
    return flavor == TENSORRT_RTX or parse_version(version) >= STRONGLY_TYPED_SINCE


def has_tf32(arch: str) -> bool:
    """Tell whether an architecture such as ``sm_86`` computes in TF32."""
    return (capability_of(arch) or (0, 0)) >= TYPE_FLOORS["tf32"]


def type_floor(precision: str, *, rtx: bool) -> Capability | None:
    """Return the lowest compute capability of a data type; None when every GPU has it."""
    floor = TYPE_FLOORS.get(precision)
    return RTX_TYPE_FLOORS.get(precision, floor) if rtx else floor


def capability_of(arch: str) -> Capability | None:
    """Read ``(8, 9)`` out of ``sm_89``, so that GPUs later than any table count too; None for other text."""
    digits = arch.removeprefix("sm_")
    return divmod(int(digits), 10) if digits.isdecimal() else None


def versions_for(capability: Capability) -> tuple[Version, Version | None]:
    """Return the first TensorRT that builds for a compute capability, and the first that no longer does."""
    ends = [since for since, floor in CAPABILITY_FLOORS if capability < floor]
    until = CAPABILITY_UNTIL.get(capability, min(ends, default=None))
    return CAPABILITY_SINCE.get(capability, ()), until


def dotted(version: Version) -> str:
    """Return ``10.9`` for ``(10, 9)``."""
    return ".".join(map(str, version))
