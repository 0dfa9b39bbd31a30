"""
What a hit costs on a store that answers late: from the key of a manifest to the signed URL of its engine,
against one GET of the manifest; and what the probe of the store takes.

The servers are versitygw and moto, behind a proxy that holds each request for 100 ms, for the probe 20 ms.
Bars: a hit that is not known is at most one round trip more than the floor (a quarter of one is left for what
is computed), one that is known asks nothing, and the probe takes at most 3 s. How many requests there are and
which go together is exact in ``tests/unit/gateway/artifacts/test_verified_engines.py``.
``python tests/bench/bench_store_hit.py [--milliseconds 100] [--rounds 20] [--stores versitygw moto]``.
"""

import argparse
import asyncio
import contextlib
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.gateway.artifacts.verified_engines import VerifiedEngines
from ignition_hub.store.find import DOCUMENT_BYTES
from ignition_hub.store.habits import habits_of
from ignition_hub.store.objects import ObjectStore
from ignition_hub.store.publish import publish
from ignition_hub.store.settings import StoreSettings
from ignition_hub.store.trust import SigningKey
from storefixtures import make_manifest
from stores.server import Server, running
from stores.table import SERVERS
from wiretap import Fate, Wire

ROUND_TRIPS_BAR = 2.25
PROBE_BAR = 3.0
LATE_FOR_PROBE = 0.020
STORES = ("versitygw", "moto")


def main() -> int:
    """Measure, print, and tell by the exit code whether the bars hold."""
    words = argparse.ArgumentParser(description=__doc__.strip().partition("\n")[0])
    words.add_argument("--milliseconds", type=float, default=100.0, help="for which each request is held")
    words.add_argument("--rounds", type=int, default=20)
    words.add_argument("--stores", nargs="+", default=STORES, choices=sorted(SERVERS))
    asked = words.parse_args()
    return max(on_store(name, asked.milliseconds / 1000, asked.rounds) for name in asked.stores)


def on_store(name: str, late: float, rounds: int) -> int:
    with running(SERVERS[name]) as server:
        server.create_bucket("engines")
        with behind(server, late) as settings:
            is_quick = asyncio.run(hits(name, settings, rounds))
        with behind(server, LATE_FOR_PROBE) as settings:
            return 0 if probes(name, settings) and is_quick else 1


@contextlib.contextmanager
def behind(server: Server, late: float) -> Iterator[StoreSettings]:
    """Yield the settings of a server that holds each request for ``late`` seconds."""
    with Wire.before(server.endpoint, lambda *_: time.sleep(late), Fate()) as wire:
        yield replace(server.settings(bucket="engines"), endpoint=wire.address)


def probes(name: str, settings: StoreSettings) -> bool:
    """Print what a probe takes; tell whether its bar holds."""
    with contextlib.closing(ObjectStore(settings)) as store:
        seconds = asyncio.run(least_of(3, lambda: asyncio.to_thread(habits_of, store)))
    print(f"{name}: probe              {seconds:8.2f} s (bar {PROBE_BAR:g})")
    return seconds <= PROBE_BAR


async def hits(name: str, settings: StoreSettings, rounds: int) -> bool:
    """Print what hits take; tell whether their bars hold."""
    store, key = ObjectStore(settings), SigningKey(Ed25519PrivateKey.generate())
    keys, manifest = {key.keyid: key.public}, make_manifest(prefix=settings.prefix)
    workers = Workers(name="store", threads=4, waiting=16, deadline=60)
    store.put(manifest.engine.key, bytes(manifest.engine.size))
    manifest_key = publish(store, key, keys, manifest).manifest_key
    engines, opened = VerifiedEngines(keys, workers), OpenStore(store, {}, settings)

    async def hit(*, again: bool) -> None:
        await engines.get(opened, manifest_key, manifest.identity, again=again)

    floor = await least_of(rounds, lambda: workers.run(store.get, manifest_key, DOCUMENT_BYTES))
    cold = await least_of(rounds, lambda: hit(again=True))
    await hit(again=False)  # what follows is known for some seconds
    known = await least_of(rounds, lambda: hit(again=False))
    workers.close()
    store.close()
    print(f"{name}: floor, one GET     {floor * 1e3:8.1f} ms")
    print(
        f"{name}: hit, not known     {cold * 1e3:8.1f} ms, {cold / floor:.2f} of it (bar {ROUND_TRIPS_BAR})"
    )
    print(f"{name}: hit, known         {known * 1e3:8.3f} ms")
    return cold <= ROUND_TRIPS_BAR * floor and known < floor / 10


async def least_of(rounds: int, work: Callable[[], Awaitable[object]]) -> float:
    """Return the least of the seconds that ``work`` took: what else runs on the machine only adds to it."""
    seconds = []
    for _ in range(rounds):
        started = time.perf_counter()
        await work()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


if __name__ == "__main__":
    sys.exit(main())
