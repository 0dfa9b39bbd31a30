"""
What a process that follows a cluster runs in: uvloop, and a garbage collector that looks less often.

It keeps a view of all that it watches, and reads it as lists of JSON: every object of a list is looked at by
Python's collector again and again while the rest is read, which took as long as the reading
(``python tests/bench/bench_controller.py``: the restart). What is imported is not looked at any more.
"""

import gc
from collections.abc import Coroutine
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")

COLLECTED_AFTER = (5_000, 20, 20)
"""How many new objects, and how many collections of a generation, a collection takes; else 700, 10, 10."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run ``main`` to its end in a loop of its own."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)
    return uvloop.run(main)
