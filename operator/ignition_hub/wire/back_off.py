"""How long to wait before another attempt, for every program that makes one."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BackOff:
    """How long to wait after the n-th failure in a row, in seconds: doubling, bounded, jittered."""

    first: float = 0.5
    longest: float = 300.0

    def delay(self, failures: int) -> float:
        """Return between half and all of the doubled delay, so that many failures do not return at once."""
        full = min(self.longest, self.first * 2.0 ** min(failures - 1, 30))
        return full * random.uniform(0.5, 1.0)  # noqa: S311  # spreading load is not cryptography
