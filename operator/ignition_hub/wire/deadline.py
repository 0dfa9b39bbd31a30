"""A deadline for everything that is tried until it, and the pauses between attempts that respect it."""

import time

from ignition_hub.wire.back_off import BackOff

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0


class Deadline:
    """
    A moment on the monotonic clock after which nothing is tried any more.

    ``seconds`` is counted from construction; a changed wall clock does not move it.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds left, never negative."""
        return max(0.0, self._at - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self.left == 0.0

    def timeout(self, longest: float) -> float:
        """Return how long one network call may take: ``longest`` seconds, or less when less is left."""
        return max(0.05, min(longest, self.left))

    def pause(self, attempt: int) -> None:
        """Sleep before attempt number ``attempt`` (the first retry is 1), never past the deadline."""
        time.sleep(min(pause_before(attempt), self.left))


def pause_before(attempt: int) -> float:
    """Return the seconds to wait before retry ``attempt``."""
    return BackOff(FIRST_PAUSE, LONGEST_PAUSE).delay(attempt)
