"""
What makes two engines the same: the identity, the key of every build, Job and stored object.

``EngineInputs`` holds everything that changes a plan's bytes or where it may load. The controller makes it
from a resource and a pool, ``identity_of`` hashes it, and the builder is given it back inside its request.
Without one of its fields it would be another engine, so all of it is read, or none.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ignition_hub.engine.canonical import canonical_json, sha256_hex
from ignition_hub.engine.codec import MAY_BE_MISSING, Record, Whole
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.fields import one_of

TENSORRT = "TensorRT"
TENSORRT_RTX = "TensorRTRTX"
FLAVORS = (TENSORRT, TENSORRT_RTX)
FLAVOR_NAMES: Mapping[str, str] = {TENSORRT: "TensorRT", TENSORRT_RTX: "TensorRT-RTX"}
"""As NVIDIA writes them, for messages."""

PRODUCT = "Product"
SAME_COMPUTE_CAPABILITY = "SameComputeCapability"
AMPERE_PLUS = "AmperePlus"
COMPATIBILITIES = (PRODUCT, SAME_COMPUTE_CAPABILITY, AMPERE_PLUS)

PRECISIONS = ("fp32", "tf32", "fp16", "bf16", "int8", "fp8", "int4", "fp4")

# Compiled when they are first used: every process of the hub imports this page.
# A name or version becomes part of object keys and file names, so it holds no slash and no leading dot.
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}"
_ARCH = r"sm_[0-9]{2,3}"
_VERSION = r"[0-9]{1,4}(\.[0-9]{1,5}){2,3}"
_PLATFORM = r"linux-(x86_64|aarch64)|jetpack-[0-9]+(\.[0-9]+){1,2}"
_FINGERPRINT = r"(sha256|object):[0-9a-f]{64}"


@dataclass(frozen=True, slots=True)
class Target:
    """One GPU the engine must run on: an architecture (``sm_89``), optionally a product (``NVIDIA-L4``)."""

    name: str
    gpu_arch: str
    product: str | None
    compatibility: str

    def __post_init__(self) -> None:
        one_of("Target.compatibility", self.compatibility, COMPATIBILITIES)


@dataclass(frozen=True, slots=True)
class Model(Whole):
    """A model: name and version as people write them, and the fingerprint of its bytes or source."""

    name: str
    version: str
    fingerprint: str

    def __post_init__(self) -> None:
        _match("model.name", self.name, _NAME, "letters, digits, '.', '_' and '-', at most 63")
        _match("model.version", self.version, _NAME, "letters, digits, '.', '_' and '-', at most 63")
        _match("model.fingerprint", self.fingerprint, _FINGERPRINT, "the result of fingerprint()")


@dataclass(frozen=True, slots=True)
class ShapeRange(Whole):
    """Smallest, usual and largest shape of one input; whether they fit the model is the builder's to say."""

    min: tuple[int, ...]
    opt: tuple[int, ...]
    max: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BatchRange(Whole):
    """Smallest, usual and largest batch."""

    min: int
    opt: int
    max: int


@dataclass(frozen=True, slots=True)
class Profile(Whole):
    """
    One optimization profile.

    ``shapes`` maps an input to the range of its shapes, ``values`` a shape tensor to the range of what it
    holds (by element, int32). The rest is shorthand that the builder resolves against the model:
    ``batch_size`` fills the batch and ``max_sequence_length`` every length, with 1 to itself, tuned for
    itself; by the names of the dimensions, else by position. ``shapes`` win over both.
    """

    shapes: Mapping[str, ShapeRange] = field(default_factory=dict, hash=False)
    values: Mapping[str, ShapeRange] = field(default_factory=dict, hash=False, metadata=MAY_BE_MISSING)
    batch_size: BatchRange | None = field(default=None, metadata=MAY_BE_MISSING)
    max_sequence_length: int | None = field(default=None, metadata=MAY_BE_MISSING)

    def to_json(self) -> dict[str, Any]:
        """Return the object without what is not set: a field that is added here changes no identity."""
        document = Record.to_json(self)
        return {
            name: value for name, value in document.items() if name == "shapes" or value not in (None, {})
        }


@dataclass(frozen=True, slots=True)
class EngineInputs(Whole):
    """
    Everything that changes an engine's bytes or where it may load.

    ``tensorrt_version`` is the full version (``10.13.2.6``); ``platform`` is ``linux-x86_64``,
    ``linux-aarch64`` or ``jetpack-<release>``; ``product`` is set exactly when ``compatibility`` is
    ``Product``.
    """

    model: Model
    precision: str
    profiles: tuple[Profile, ...]
    flavor: str
    tensorrt_version: str
    platform: str
    gpu_arch: str
    product: str | None
    compatibility: str
    options: Mapping[str, Any] = field(hash=False)
    verification: Mapping[str, Any] = field(hash=False)
    calibration_digest: str | None = None
    plugin_digests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        one_of("precision", self.precision, PRECISIONS)
        one_of("flavor", self.flavor, FLAVORS)
        one_of("compatibility", self.compatibility, COMPATIBILITIES)
        _match("tensorrt_version", self.tensorrt_version, _VERSION, "a full version, for example 10.13.2.6")
        _match("platform", self.platform, _PLATFORM, "linux-x86_64, linux-aarch64 or jetpack-6.2")
        _match("gpu_arch", self.gpu_arch, _ARCH, "an architecture, for example sm_89")
        if (self.product is not None) != (self.compatibility == PRODUCT):
            raise ContractError(
                f"product: {self.product!r:.80} is not allowed with compatibility {self.compatibility}",
                "a product is part of the identity exactly when compatibility is Product",
            )

    @property
    def release(self) -> str:
        """Product and version as messages name them: ``TensorRT-RTX 1.7.1.116``."""
        return f"{FLAVOR_NAMES[self.flavor]} {self.tensorrt_version}"

    @property
    def target(self) -> Target:
        """The target that the engine is for, named by its architecture."""
        return Target(self.gpu_arch, self.gpu_arch, self.product, self.compatibility)


@dataclass(frozen=True, slots=True)
class SharedInputs:
    """
    The canonical JSON of the inputs that all targets of one resource have in common, and that may be large.

    Made once, and then part of the identity of each target.
    """

    profiles: bytes
    options: bytes
    verification: bytes

    @classmethod
    def of(
        cls, profiles: tuple[Profile, ...], options: Mapping[str, Any], verification: Mapping[str, Any]
    ) -> "SharedInputs":
        """Write down what is shared."""
        return cls(
            profiles=canonical_json([profile.to_json() for profile in profiles]),
            options=canonical_json(options),
            verification=canonical_json(verification),
        )


def identity_of(inputs: EngineInputs, shared: SharedInputs | None = None) -> str:
    """
    Return the identity of an engine: 64 hex digits, the SHA-256 of the canonical JSON of ``inputs``.

    ``shared``, if it is given, must have been made of the same profiles, options and verification.
    """
    if shared is None:
        return sha256_hex(canonical_json(inputs.to_json()))
    own = replace(inputs, profiles=(), options={}, verification={}).to_json()
    parts = {name: canonical_json(value) for name, value in own.items()}
    parts |= {name: getattr(shared, name) for name in ("profiles", "options", "verification")}
    return sha256_hex(
        b"{" + b",".join(b'"%s":%s' % (name.encode(), parts[name]) for name in sorted(parts)) + b"}"
    )


def is_for_windows(options: Mapping[str, Any]) -> bool:
    """Tell whether ``spec.options`` ask for an engine that loads on Windows; it is still built on Linux."""
    return options.get("runtimePlatform") == "WindowsAMD64"


def _match(where: str, value: str, pattern: str, expected: str) -> None:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ContractError(f"{where}: {value!r:.80} is not valid", f"expected {expected}")
