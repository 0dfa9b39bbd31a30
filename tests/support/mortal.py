"""
A connection to the API server whose process ends at a write that is chosen, and a list of all writes.

Killed means: the request does not leave, or its answer is not seen, and no other request ever leaves again,
whatever runs on the way out.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from ignition_hub.kube import Kube, RateLimiter
from ignition_hub.kube.connection import Connection

ASKING = frozenset({"tokenreviews", "subjectaccessreviews"})
"""Kinds that are posted and change nothing."""

VERBS = {"POST": "create", "PUT": "replace", "PATCH": "patch", "DELETE": "delete"}


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


@dataclass
class Fate:
    """At which write a process ends, counted from 1, and whether the API server still gets that one."""

    dies_at: int | None = None
    dies_after: bool = False
    writes: list[str] = field(default_factory=list)
    """What was sent or was about to be: verb and kind."""
    done: Counter[str] = field(default_factory=Counter)
    """What the API server did of it."""
    is_dead: bool = False


class MortalConnection:
    """In the place of a client's own connection, below everything that retries or gives up."""

    def __init__(self, connection: Connection, fate: Fate) -> None:
        self._connection, self._fate = connection, fate

    async def exchange(
        self,
        method: str,
        target: str,
        data: bytes | None,
        headers: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
    ) -> tuple[int, bytes]:
        fate = self._fate
        kind = kind_of(method, target)
        if fate.is_dead:
            raise Killed
        if kind is None:
            return await self._connection.exchange(method, target, data, headers, limits)
        fate.writes.append(kind)
        fate.is_dead = len(fate.writes) == fate.dies_at
        if fate.is_dead and not fate.dies_after:
            raise Killed
        answer = await self._connection.exchange(method, target, data, headers, limits)
        fate.done[kind] += answer[0] < 300
        if fate.is_dead:
            raise Killed
        return answer

    async def close(self) -> None:
        await self._connection.close()


def kind_of(method: str, target: str) -> str | None:
    """Return what a request writes, such as ``patch tensorrtengines/status``; None when it only reads."""
    parts = target.partition("?")[0].strip("/").split("/")
    parts = parts[3:] if parts[0] == "apis" else parts[2:]
    if parts[0] == "namespaces" and len(parts) > 2:
        parts = parts[2:]
    if method == "GET" or parts[0] in ASKING:
        return None
    return f"{VERBS[method]} {'/'.join([parts[0], *parts[2:]])}"


async def connect(kubeconfig: str, fate: Fate) -> Kube:
    """Return a client of a process with that fate."""
    kube = await Kube.connect(kubeconfig=kubeconfig, limiter=RateLimiter(qps=1000, burst=1000))
    mortal: Any = MortalConnection(kube._connection, fate)
    kube._connection = mortal
    return kube
