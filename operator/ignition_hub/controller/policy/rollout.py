"""
Decide which workload of a namespace is restarted next for its new engines, or what that waits for. Pure.

Read ``OBSTACLES`` from top to bottom: the first that answers is why a workload is left alone. One workload
of a namespace is restarted at a time; one whose rollout does not come to its end holds back all others, so
that an engine that does not serve takes one service down at most.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ignition_hub.compatibility.served_pods import Standing
from ignition_hub.controller.policy.workloads import Workload

LOOK_AGAIN = 15.0
"""Seconds until it is looked again how far a rollout is: its end is no event of a pod."""
LOOK_AT_PAUSED = 60.0
BETWEEN_ROLLOUTS = 300.0
"""
Seconds between two of one workload: twice as long as a watch of the gateway may be silent. Pods that a late
gateway gave the engine before are not restarted again and again.
"""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """
    Why a workload is not restarted, and in how many seconds that may be otherwise.

    ``recheck`` is None where nothing is left to do until a pod or an engine changes.
    """

    why: str
    recheck: float | None = None


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is: ``workload`` is restarted now, or None; ``recheck`` as of an Obstacle."""

    workload: Workload | None = None
    recheck: float | None = None


def rollouts_are_not_asked_for(workload: Workload, _now: float) -> Obstacle | None:
    """Answer when the template no longer asks, or the workload goes."""
    if workload.is_going or not workload.asks:
        return Obstacle("its template does not ask for rollouts")
    return None


def change_is_not_observed(workload: Workload, _now: float) -> Obstacle | None:
    """Answer while the workload's controller has not seen the latest change: pods may be replaced anyway."""
    return None if workload.is_observed else Obstacle("its last change is not observed yet", LOOK_AGAIN)


def no_pod_would_gain(workload: Workload, _now: float) -> Obstacle | None:
    """Answer when no pod of the present template is stale: what is of an older one is being replaced."""
    if any(pod.is_of_template and pod.standing is Standing.STALE for pod in workload.pods):
        return None
    return Obstacle("its pods run the engines of today, or are being replaced")


def pods_could_not_start(workload: Workload, _now: float) -> Obstacle | None:
    """Answer when an engine is not ready for a GPU that the pods are on; that it is will be an event."""
    if any(pod.standing is Standing.UNSERVED for pod in workload.pods):
        return Obstacle("not every engine is ready for every GPU that its pods are on")
    return None


def workload_is_paused(workload: Workload, _now: float) -> Obstacle | None:
    """Answer while it is paused: what would be written now would begin when somebody resumes it."""
    return Obstacle("it is paused", LOOK_AT_PAUSED) if workload.is_paused else None


def workload_was_just_restarted(workload: Workload, now: float) -> Obstacle | None:
    """Answer for some minutes after a rollout."""
    rest = (workload.rolled_at or 0.0) + BETWEEN_ROLLOUTS - now
    return Obstacle("it was restarted minutes ago", rest) if rest > 0 else None


OBSTACLES: tuple[Callable[[Workload, float], Obstacle | None], ...] = (
    rollouts_are_not_asked_for,
    change_is_not_observed,
    no_pod_would_gain,
    pods_could_not_start,
    workload_is_paused,
    workload_was_just_restarted,
)


def obstacle_of(workload: Workload, now: float) -> Obstacle | None:
    """Return why a workload is not restarted at ``now`` (seconds since the epoch); None when it is due."""
    return next((found for rule in OBSTACLES if (found := rule(workload, now)) is not None), None)


def holds_back_others(workload: Workload) -> bool:
    """Tell whether a rollout for engines is under way: it may be that they do not serve."""
    return workload.rolled_at is not None and not (workload.is_observed and workload.is_complete)


def turn_of(workloads: Sequence[Workload], now: float) -> Turn:
    """Return which of the workloads of a namespace is restarted at ``now``, in seconds since the epoch."""
    obstacles = [(workload, obstacle_of(workload, now)) for workload in workloads]
    due = [workload for workload, obstacle in obstacles if obstacle is None]
    rechecks = [one.recheck for _, one in obstacles if one and one.recheck is not None]
    if not due:
        return Turn(recheck=min(rechecks, default=None))
    # One that is due itself runs what others may be about to leave, and must not hold back its own remedy.
    if any(obstacle and holds_back_others(workload) for workload, obstacle in obstacles):
        return Turn(recheck=LOOK_AGAIN)
    return Turn(min(due, key=lambda workload: (workload.kind, workload.name)), LOOK_AGAIN)
