"""
Read Kubernetes' quantities and durations: ``4Gi`` into bytes, ``1h30m`` into seconds.

Equal values written differently (``4Gi``, ``4096Mi``) must give one identity, so ``convert`` reads them
before anything is hashed.
"""

import re
from decimal import Decimal

_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate("kMGTPE", start=1)},
    **{f"{unit}i": Decimal(1024) ** power for power, unit in enumerate("KMGTPE", start=1)},
}
_SECONDS = {"ms": Decimal("0.001"), "s": Decimal(1), "m": Decimal(60), "h": Decimal(3600)}


def bytes_of(quantity: str | int) -> int:
    """Return a memory quantity in bytes, rounded up; ValueError when it is not a quantity."""
    return int(amount_of(quantity).to_integral_value(rounding="ROUND_CEILING"))


def amount_of(quantity: str | int) -> Decimal:
    """Return a quantity in its base unit, CPUs or bytes; ValueError when it is not a quantity."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-zA-Z]{0,2})", str(quantity))
    if match is None or match[2] not in _FACTORS:
        raise ValueError(f"{quantity!r} is not a quantity; write for example 512Mi or 4Gi")
    return Decimal(match[1]) * _FACTORS[match[2]]


def seconds_of(duration: str) -> float:
    """Return a duration in seconds; ValueError when it is not one."""
    if not re.fullmatch(r"([0-9]+(\.[0-9]+)?(ms|s|m|h))+", duration):
        raise ValueError(f"{duration!r} is not a duration; write for example 250ms, 90s or 1h30m")
    parts = re.findall(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)", duration)
    return float(sum(Decimal(number) * _SECONDS[unit] for number, unit in parts))
