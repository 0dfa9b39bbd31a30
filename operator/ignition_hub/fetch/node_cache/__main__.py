"""``python -m ignition_hub.fetch.node_cache``: the entry point of the cache of a node."""

import os
import shutil
import signal
import sys
from types import FrameType

from ignition_hub.fetch.node_cache.server import CacheServer
from ignition_hub.fetch.node_cache.settings import parse_settings


def main() -> None:
    """Serve until the process is told to stop; what was kept by an earlier one is removed first."""
    settings = parse_settings(sys.argv[1:])
    signal.signal(signal.SIGTERM, _leave)
    for left in settings.folder.iterdir():
        shutil.rmtree(left, ignore_errors=True)
    CacheServer(settings).serve_forever()


def _leave(number: int, _frame: FrameType | None) -> None:
    # At once: pods that read go on at the store.
    os._exit(128 + number)


if __name__ == "__main__":
    main()
