"""
What the leading controller counts while it works, for Prometheus.

What can be looked up when Prometheus asks is in ``metrics``; what is over by then is counted here. The values
of every label come from this project or from the platform team: a kind of key, a pool, a reason of
``engine/errors.py``. No tenant can make another series.
"""

import time
from collections.abc import Awaitable, Callable

from prometheus_client import CollectorRegistry, Counter, Histogram

from ignition_hub.controller.process.keys import Key
from ignition_hub.controller.process.work_queue import Again

PASS_SECONDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0, 60.0)
BUILD_SECONDS = (10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0)
GATE_SECONDS = (1.0, 5.0, 15.0, 60.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0)


class Counters:
    """The counters of one controller, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.reconciliations = Counter(
            "ignition_controller_reconciliations_total",
            "Passes, by what they are about and how they ended: success, retry (after a back-off) or error.",
            ["kind", "outcome"],
            registry=self.registry,
        )
        self.reconciliation_seconds = Histogram(
            "ignition_controller_reconciliation_seconds",
            "Duration of a pass, by what it is about.",
            ["kind"],
            buckets=PASS_SECONDS,
            registry=self.registry,
        )
        self.builds_started = Counter(
            "ignition_controller_builds_started_total",
            "Builder Jobs that were created, by BuildPool.",
            ["pool"],
            registry=self.registry,
        )
        self.builds_ended = Counter(
            "ignition_controller_builds_ended_total",
            "Builder Jobs that ended, by BuildPool, outcome (succeeded, failed) and the reason of a failure.",
            ["pool", "outcome", "reason"],
            registry=self.registry,
        )
        self.build_seconds = Histogram(
            "ignition_controller_build_seconds",
            "From the creation of a builder Job to its end, waiting for a node included.",
            ["pool", "outcome"],
            buckets=BUILD_SECONDS,
            registry=self.registry,
        )
        self.targets_ready = Counter(
            "ignition_controller_targets_ready_total",
            "Targets that became Ready, by source: Built, or Remote where the store had the engine already.",
            ["source"],
            registry=self.registry,
        )
        self.rollouts_started = Counter(
            "ignition_controller_rollouts_started_total",
            "Workloads whose pods were restarted because their engines were replaced, by kind.",
            ["kind"],
            registry=self.registry,
        )
        self.gate_seconds = Histogram(
            "ignition_controller_pod_gate_seconds",
            "From the creation of a pod that waits for engines until its scheduling gate was lifted.",
            buckets=GATE_SECONDS,
            registry=self.registry,
        )


def counted(
    reconcile: Callable[[Key], Awaitable[Again]], counters: Counters
) -> Callable[[Key], Awaitable[Again]]:
    """Return ``reconcile`` with each of its passes counted and timed; what it raises is raised."""

    async def count(key: Key) -> Again:
        started, outcome = time.monotonic(), "error"
        try:
            again = await reconcile(key)
            outcome = "retry" if again.back_off else "success"
        finally:
            counters.reconciliations.labels(key.kind, outcome).inc()
            counters.reconciliation_seconds.labels(key.kind).observe(time.monotonic() - started)
        return again

    return count
