"""
How a build is made that several resources wait for, in whatever order they asked for it. Pure.

The queue and the priority class are the pool's to decide, by the namespaces that wait. All else is what harms
none of the resources: the most time and retries that any allows, less memory when one asks for it, and no
more of the timing cache than each accepts.
"""

from collections.abc import Sequence

from ignition_hub.compatibility.tenants import Tenants, scheduling_for_all
from ignition_hub.controller.policy.views import BuildParameters, Patience
from ignition_hub.engine.request import LOCKED, OFF, READ_ONLY, READ_WRITE


def parameters_for_all(tenants: Tenants, asked: Sequence[BuildParameters]) -> BuildParameters:
    """Return how to build for all of ``asked``, at least one, in a pool with ``tenants``."""
    return BuildParameters(
        patience=_patience(asked),
        scheduling=scheduling_for_all(tenants, [one.scheduling for one in asked]),
        low_memory=any(one.low_memory for one in asked),
        timing_cache=_timing_cache({one.timing_cache for one in asked}),
    )


def _patience(asked: Sequence[BuildParameters]) -> Patience:
    return Patience(
        max(one.patience.timeout_seconds for one in asked), max(one.patience.retries for one in asked)
    )


def _timing_cache(modes: set[str]) -> str:
    """
    Return the mode that is acceptable to all.

    A cache holds kernels that earlier builds compiled: where one wants none of them in its engine, there are
    none, which costs the others time and nothing else. Locked can fail a build, so it needs the agreement of
    all; with others it means what it has in common with ReadOnly.
    """
    if OFF in modes:
        return OFF
    if modes == {LOCKED}:
        return LOCKED
    return READ_ONLY if modes & {READ_ONLY, LOCKED} else READ_WRITE
