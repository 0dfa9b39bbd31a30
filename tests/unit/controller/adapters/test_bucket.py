"""Whole models are read in turns of the namespaces that pin them."""

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

from ignition_hub.buckets.workers import Workers
from ignition_hub.controller.adapters.bucket import HASHING_THREADS, Bucket, hashing_turns


class Objects:
    """Holds every model until the gate opens, and notes which is being read."""

    def __init__(self) -> None:
        self.gate, self.begun = threading.Event(), threading.Semaphore(0)
        self.reading: list[str] = []

    def digest(self, key: str, *, bucket: str) -> tuple[str, int]:
        self.reading.append(key)
        self.begun.release()
        assert self.gate.wait(10)
        return key, len(bucket)


async def test_a_namespace_that_has_many_models_read_leaves_a_thread_to_the_others() -> None:
    objects: Any = Objects()
    opened: Any = SimpleNamespace(spec={}, objects=objects)
    keys: Any = None
    workers = Workers(name="digest", threads=HASHING_THREADS, waiting=9, deadline=30)
    bucket = Bucket(opened, keys, workers, workers, hashing_turns())
    uris = [("big", f"s3://models/big-{number}") for number in range(3)] + [("small", "s3://models/small")]
    reads = [asyncio.create_task(bucket.digest(*one)) for one in uris]
    for _ in range(HASHING_THREADS):
        assert await asyncio.to_thread(objects.begun.acquire, timeout=10)

    assert set(objects.reading) == {"big-0", "small"}
    objects.gate.set()
    assert await asyncio.gather(*reads) == ["big-0", "big-1", "big-2", "small"]
    workers.close()
