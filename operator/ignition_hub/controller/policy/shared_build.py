"""
How a build is made that several resources wait for, in whatever order they asked for it. Pure.

The queue and the priority class are the pool's to decide, by the namespaces that wait. Time and retries are
the most that any of the resources allows, so that none fails earlier than it asked to.
"""

from collections.abc import Sequence

from ignition_hub.compatibility.tenants import Tenants, scheduling_for_all
from ignition_hub.controller.policy.views import BuildParameters, Patience


def parameters_for_all(tenants: Tenants, asked: Sequence[BuildParameters]) -> BuildParameters:
    """Return how to build for all of ``asked``, at least one, in a pool with ``tenants``."""
    first = asked[0]
    return BuildParameters(
        patience=_patience(asked),
        scheduling=scheduling_for_all(tenants, [one.scheduling for one in asked]),
        low_memory=first.low_memory,
        timing_cache=first.timing_cache,
    )


def _patience(asked: Sequence[BuildParameters]) -> Patience:
    return Patience(
        max(one.patience.timeout_seconds for one in asked), max(one.patience.retries for one in asked)
    )
