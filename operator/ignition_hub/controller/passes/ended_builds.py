"""
Builds that ended, each counted once: many engines may wait for one Job, and each looks at it more than once.

A pass knows why a Job failed, because it has asked the Job's pods; nothing is asked here.
"""

from collections import OrderedDict

from ignition_hub.controller.policy.views import JobSnapshot, JobState
from ignition_hub.controller.process.counters import Counters

REMEMBERED = 4096
"""More Jobs than end within the hour for which an ended Job is kept."""


class EndedBuilds:
    """
    Counts the Jobs that end from ``since`` on, in seconds since the epoch.

    What ended before was counted by the leader of that time: counted again after each change of leaders, old
    failures would look like new ones.
    """

    def __init__(self, counters: Counters, *, since: float) -> None:
        self._counters = counters
        self._since = since
        self._counted: OrderedDict[str, None] = OrderedDict()

    def note(self, job: JobSnapshot | None) -> None:
        """Count the Job of a target if it has ended and was not counted."""
        if job is None or job.finished is None or job.finished < self._since or job.uid in self._counted:
            return
        self._counted[job.uid] = None
        if len(self._counted) > REMEMBERED:
            self._counted.popitem(last=False)
        outcome = "succeeded" if job.state is JobState.COMPLETE else "failed"
        reason = str(job.failure.reason) if job.failure else ""
        self._counters.builds_ended.labels(job.pool, outcome, reason).inc()
        self._counters.build_seconds.labels(job.pool, outcome).observe(max(0.0, job.age - job.ended_for))
