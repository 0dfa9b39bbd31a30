"""
Where a target of a TensorRTEngine stands, and whether more is to come: the controller writes it into
``status.targets[]``, the gateway and the injection of pods read it there.
"""

from ignition_hub.engine.enums import StrEnum
from ignition_hub.engine.errors import Reason


class State(StrEnum):
    """The words of ``status.targets[].state``."""

    PENDING = "Pending"
    QUEUED = "Queued"
    BUILDING = "Building"
    VERIFYING = "Verifying"
    READY = "Ready"
    FAILED = "Failed"
    UNBUILDABLE = "Unbuildable"


SETTLED = frozenset({State.READY, State.FAILED, State.UNBUILDABLE})
"""States in which nothing more happens by itself."""


AT_REST = frozenset({Reason.Suspended, Reason.StorageQuotaExceeded, Reason.TooManyEngines})
"""Reasons for which nothing starts until a person changes something."""


def is_on_its_way(state: str | None, reason: str | None) -> bool:
    """Tell whether a target's state will still change by itself."""
    return state not in SETTLED and reason not in AT_REST
