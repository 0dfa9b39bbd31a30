"""
Which TensorRTEngines of a namespace are within its limit: the oldest, so that a new one ends nothing.

Pure bookkeeping by searches in sorted lists, one for each namespace: an event costs no walk over all.
"""

from bisect import bisect_left, insort

from ignition_hub.controller.policy.views import Trouble
from ignition_hub.engine.errors import Reason

Age = tuple[str, str, str]
"""When a resource was created (RFC 3339, as the API server stamps it), its name and its uid."""


class EngineLimit:
    """The resources of every namespace by age; ``most`` of each are within the limit, 0 is no limit."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._ages: dict[str, list[Age]] = {}

    def enter(self, namespace: str, age: Age) -> None:
        """Count a resource in."""
        if self.most:
            insort(self._ages.setdefault(namespace, []), age)

    def leave(self, namespace: str, age: Age) -> None:
        """Count a resource out that was counted in."""
        if not self.most:
            return
        ages = self._ages[namespace]
        del ages[bisect_left(ages, age)]
        if not ages:
            del self._ages[namespace]

    def covers(self, namespace: str, age: Age) -> bool:
        """Tell whether a resource is within the limit of its namespace."""
        return not self.most or bisect_left(self._ages.get(namespace, []), age) < self.most

    def youngest_covered(self, namespace: str) -> str | None:
        """Return the name of the youngest within a limit that is reached: who gets a place that is freed."""
        ages = self._ages.get(namespace, [])
        return ages[self.most - 1][1] if self.most and len(ages) >= self.most else None


def too_many(namespace: str, most: int) -> Trouble:
    """Return what a resource is told that is beyond the limit."""
    return Trouble(
        Reason.TooManyEngines,
        f"namespace {namespace} has more than {most} TensorRTEngines, and this is not one of the {most} "
        "oldest: delete some that are not needed, or have the platform team raise "
        "controller.maxEnginesPerNamespace of the chart",
    )
