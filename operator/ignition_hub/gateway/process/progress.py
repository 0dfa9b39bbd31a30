"""How often the progress of one build reaches the API server."""

import time
from collections import OrderedDict
from collections.abc import Callable

EVERY_SECONDS = 5.0
REMEMBERED = 4096


class ProgressThrottle:
    """Lets one report per Job through in ``seconds``; those in between are dropped, a later one follows."""

    def __init__(
        self,
        *,
        seconds: float = EVERY_SECONDS,
        size: int = REMEMBERED,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._seconds = seconds
        self._size = size
        self._clock = clock
        self._next: OrderedDict[str, float] = OrderedDict()

    def is_due(self, job_uid: str) -> bool:
        """Tell whether a report of this Job may be written now, and count it as written."""
        now = self._clock()
        if self._next.get(job_uid, now) > now:
            return False
        self._next[job_uid] = now + self._seconds
        self._next.move_to_end(job_uid)
        while len(self._next) > self._size:
            self._next.popitem(last=False)
        return True
