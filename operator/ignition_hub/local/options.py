"""
Build options and verification as an identity holds them, from what people write.

The cluster's schema does the same to ``spec.options`` and ``spec.verification``: an option at its default is
left out, a check shows every figure in force, a quantity is a number of bytes, a set is sorted. So the same
words give the same engine here and there.
"""

from collections.abc import Mapping
from typing import Any

from ignition_hub.api.quantities import bytes_of, seconds_of
from ignition_hub.compatibility.option_row import OptionFields, OptionRow
from ignition_hub.compatibility.options import FIELDS
from ignition_hub.local.errors import wrong

AGAINST = "onnxruntime"
"""What computes the reference of an accuracy check; there is one."""

CHECKS: Mapping[str, Mapping[str, Any]] = {
    "accuracy": {
        "against": AGAINST,
        "rtol": 0.005,
        "atol": 0.005,
        "quantile": 1.0,
        "agreement": None,
        "inputs": None,
    },
    "benchmark": {"seconds": 5, "maxLatency": None},
}
"""Every check, with the figures that hold when none are given; None is left out."""

BOUNDS: Mapping[str, tuple[float, float]] = {
    "rtol": (0, 1),
    "atol": (0, 1000),
    "quantile": (1e-9, 1),
    "agreement": (0, 1),
    "seconds": (1, 300),
}
"""The least and the most of a check's figure, as the cluster's schema has them."""


def normalized(options: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return ``options`` in the one spelling that an identity hashes.

    Raises RequestError that names an option that does not exist or a quantity that cannot be read. Whether a
    release of TensorRT takes the option is the truth table's to say.
    """
    return _without_defaults(options, FIELDS, "options")


def checks_of(verification: Mapping[str, Any]) -> dict[str, Any]:
    """Return the checks asked for with every figure in force; RequestError names what is not a check."""
    checks = {}
    for name, asked in verification.items():
        if name not in CHECKS:
            raise wrong("verification", name, "unknown check", f"use one of {', '.join(CHECKS)}")
        if asked is not None:
            checks[name] = _check(name, asked)
    return checks


def _check(name: str, asked: Any) -> dict[str, Any]:
    where, defaults = f"verification.{name}", CHECKS[name]
    if not isinstance(asked, Mapping) or not asked.keys() <= defaults.keys():
        raise wrong(where, asked, "unknown setting of this check", f"use {', '.join(defaults)}")
    check = {figure: value for figure, value in {**defaults, **asked}.items() if value is not None}
    _check_figures(where, check)
    if "maxLatency" in check:
        try:
            check["maxLatency"] = seconds_of(str(check["maxLatency"]))
        except ValueError as error:
            raise wrong(f"{where}.maxLatency", check["maxLatency"], str(error), "for example 4ms") from error
    return check


def _check_figures(where: str, check: Mapping[str, Any]) -> None:
    if check.get("against", AGAINST) != AGAINST:
        raise wrong(f"{where}.against", check["against"], "unknown reference", f"use {AGAINST}")
    for figure in check.keys() & BOUNDS.keys():
        value, (least, most) = check[figure], BOUNDS[figure]
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not is_number or not least <= value <= most:
            raise wrong(f"{where}.{figure}", value, "out of range", f"use a number from {least} to {most}")


def _without_defaults(given: Mapping[str, Any], fields: OptionFields, where: str) -> dict[str, Any]:
    kept = {}
    for name, value in given.items():
        here, field = f"{where}.{name}", fields.get(name)
        if field is None:
            raise wrong(here, value, "unknown option", f"use one of {', '.join(fields)}")
        if isinstance(field, OptionRow):
            spelt, default = _spelt(here, field, value), field.default
        else:
            spelt, default = _fields(here, field, value), {}
        if spelt != default:
            kept[name] = spelt
    return kept


def _fields(where: str, fields: Mapping[str, OptionRow], value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, Mapping):
        raise wrong(where, value, "not an object", f"its fields are {', '.join(fields)}")
    return _without_defaults(value or {}, fields, where)


def _spelt(where: str, row: OptionRow, value: Any) -> Any:
    if value is None:
        return row.default
    if row.kind == "Bytes":
        return _quantity(where, value)
    if row.kind == "Words":
        return sorted({str(item) for item in ([value] if isinstance(value, str) else value)})
    if row.kind == "Files":
        return _with_files(row, value)
    return value


def _with_files(row: OptionRow, value: Any) -> Any:
    """Return calibration or plugins, whose sources ``files.pinned`` has checked."""
    if isinstance(value, Mapping):
        return {
            name: word for name, word in value.items() if name not in row.inner or word != row.inner[name][0]
        }
    plugins = [_with_files(row, plugin) for plugin in value]
    return sorted(plugins, key=lambda plugin: str(plugin["name"]))


def _quantity(where: str, value: Any) -> int:
    try:
        return bytes_of(value)
    except ValueError as error:
        raise wrong(where, value, "not a quantity", "write for example 512Mi or 4Gi") from error
