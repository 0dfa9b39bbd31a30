"""How long requests to the API server wait for their turn, as metrics of the program that sends them."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.registry import Collector

from ignition_hub.kube.pace import RateLimiter


class PaceCollector(Collector):
    """
    The budgets of one program, read when asked.

    ``program`` begins the names of the metrics; ``limiters`` are its budgets, by the name that people see.
    """

    def __init__(self, program: str, limiters: Mapping[str, RateLimiter]) -> None:
        self._program, self._limiters = program, limiters

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        seconds = SummaryMetricFamily(
            f"{self._program}_api_wait_seconds",
            "What requests to the API server waited for their turn, by budget.",
            labels=["budget"],
        )
        pending = GaugeMetricFamily(
            f"{self._program}_api_requests_pending",
            "Requests to the API server that wait for their turn, by budget.",
            labels=["budget"],
        )
        refused = CounterMetricFamily(
            f"{self._program}_api_requests_refused",
            "Requests that were not sent because too many waited, or for too long, by budget.",
            labels=["budget"],
        )
        for name, limiter in self._limiters.items():
            seconds.add_metric([name], limiter.left + limiter.refused, limiter.waited)
            pending.add_metric([name], limiter.waiting)
            refused.add_metric([name], limiter.refused)
        yield from (seconds, pending, refused)
