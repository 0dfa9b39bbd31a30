"""versitygw over a folder, which ``localcluster`` builds: one request at a time, and by its defaults."""

from __future__ import annotations

from functools import partial

from ignition_hub.store.habits import Relied
from localcluster.build import build
from localcluster.paths import binary
from stores.kinds import ACCESS_KEY, AT_ONCE, SECRET_KEY, Kind, Place, Processes

VERSION = "1.7.0"


def _start(place: Place, *options: str) -> Processes:
    tls = ("--cert", place.tls[0], "--key", place.tls[1]) if place.tls else ()
    command = (binary("versitygw"), "--quiet", "--port", place.address, *tls, "posix", *options)
    folders = ("--sidecar", place.inner("meta"), place.data)
    return [place.run(*command, *folders, ROOT_ACCESS_KEY=ACCESS_KEY, ROOT_SECRET_KEY=SECRET_KEY)]


def _one_at_a_time(place: Place) -> Processes:
    return _start(place, "--concurrency", "1")


_build = partial(build, "cluster-tests")

ONE_AT_A_TIME = Kind("versitygw", VERSION, _build, _one_at_a_time)
"""Without ``--concurrency 1`` this server's conditional writes are not atomic."""
BY_ITS_DEFAULTS = Kind(
    "versitygw-defaults",
    VERSION,
    _build,
    _start,
    lacks=frozenset({Relied.OVERLAPPING}),
    may_lack=frozenset({Relied.SMALL_AT_ONCE}),
    may_fail=AT_ONCE,
)
