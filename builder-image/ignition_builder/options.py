"""
Read ``spec.options`` as this builder understands them; what it cannot honour is refused, never ignored.

An option that is part of an identity and has no effect would make the manifest a lie.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.engine.errors import Reason, RequestError

OPTIMIZATION_LEVEL = 3
"""TensorRT's own default (NVIDIA documentation)."""

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?")
_UNITS = {
    "": 1.0, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50,
}  # fmt: skip
_KNOWN = (
    "optimizationLevel",
    "workspace",
    "versionCompatible",
    "calibration",
    "plugins",
    "failOnWarnings",
)


@dataclass(frozen=True, slots=True)
class Options:
    """What TensorRT is told; ``workspace`` is in bytes, None means all there is."""

    optimization_level: int = OPTIMIZATION_LEVEL
    workspace: int | None = None
    version_compatible: bool = False
    exclude_lean_runtime: bool = False
    calibrates: bool = False
    plugins: bool = False
    fail_on_warnings: tuple[str, ...] = ()


def options_of(document: Mapping[str, Any]) -> Options:
    """Return the options of a request; raises RequestError (UnsupportedOption) that names the bad one."""
    for name in document:
        if name not in _KNOWN:
            raise _refusal(f"options.{name}", "this builder does not know it", f"known: {', '.join(_KNOWN)}")
    compatible = _mapping(document.get("versionCompatible"), "options.versionCompatible")
    return Options(
        optimization_level=_level(document.get("optimizationLevel", OPTIMIZATION_LEVEL)),
        workspace=_bytes(document.get("workspace")),
        version_compatible=bool(compatible.get("enabled", False)),
        exclude_lean_runtime=bool(compatible.get("excludeLeanRuntime", False)),
        calibrates=bool(document.get("calibration")),
        plugins=bool(document.get("plugins")),
        fail_on_warnings=tuple(document.get("failOnWarnings") or ()),
    )


def _level(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= 5:
        raise _refusal("options.optimizationLevel", f"{value!r} is not a level", "use 0 to 5")
    return value


def _bytes(value: Any) -> int | None:
    if value is None:
        return None
    found = _QUANTITY.fullmatch(str(value))
    size = int(float(found[1]) * _UNITS[found[2] or ""]) if found else 0
    if size < 1:
        raise _refusal("options.workspace", f"{value!r} is not a quantity above zero", "for example 4Gi")
    return size


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _refusal(where, f"{value!r} is not an object", "for example {enabled: true}")
    return value


def _refusal(where: str, why: str, remedy: str) -> RequestError:
    return RequestError(Reason.UnsupportedOption, f"{where}: {why}", remedy)
