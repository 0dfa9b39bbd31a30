"""Tell the gateway how far the build is: the latest word, at most once a second, never in anybody's way."""

import threading

from ignition_builder.hub.gateway import GatewayClient

PAUSE_SECONDS = 1.0


class ProgressReporter:
    """A thread that posts the newest progress; what it could not deliver is dropped."""

    def __init__(self, gateway: GatewayClient, pause: float = PAUSE_SECONDS) -> None:
        self._gateway, self._pause = gateway, pause
        self._news: tuple[str, int] | None = None
        self._wanted = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._deliver, daemon=True)

    def __enter__(self) -> "ProgressReporter":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._wanted.set()
        self._thread.join(self._pause)

    def tell(self, phase: str, fraction: float) -> None:
        """Note the phase and the fraction, 0 to 1, of the whole build."""
        self._news = (phase, round(100 * min(1.0, max(0.0, fraction))))
        self._wanted.set()

    def _deliver(self) -> None:
        told: tuple[str, int] | None = None
        while not self._stop.is_set():
            self._wanted.wait()
            self._wanted.clear()
            news = self._news
            if news is None or news == told or self._stop.is_set():
                continue
            if self._gateway.progress(*news):
                told = news
            self._stop.wait(self._pause)
