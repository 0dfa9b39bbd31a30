"""
``GET /catalog`` and ``GET /v1/catalog``: the engines that the caller may list, as a page and as a document.

The rows are in memory; of the API server nothing is asked but who the caller is and what it may list. Both
are read-only, and the token is in a header, which no other site can have a browser send. They are the only
routes that take people.
"""

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from ignition_hub.catalog.page import HEADERS, page
from ignition_hub.catalog.selection import Selection, Shown, shown
from ignition_hub.engine.errors import Reason
from ignition_hub.fair_turns import FairTurns
from ignition_hub.gateway.services import SERVICES

NAMED = 8
PENDING, EACH = 32, 1
"""Rows of all engines take hundredths of a second to sort: a caller that asks often waits for itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller is shown."""

    namespaces: tuple[str, ...] | None
    """Of which namespaces; None for every one."""
    shown: Shown
    notice: str
    """Why the rows may be old; empty while the API server answers."""

    def to_page(self) -> str:
        """Return it as HTML."""
        return page(self.shown, time.time(), scope=scope_words(self.namespaces), notice=self.notice)

    def to_json(self) -> str:
        """Return it as a document."""
        body = {
            "namespaces": self.namespaces,
            "namespace": self.namespaces[0] if self.namespaces and len(self.namespaces) == 1 else "",
            "engines": [row.to_json() for row in self.shown.rows],
            "total": self.shown.total,
            "ready": self.shown.ready,
            "page": self.shown.selection.page,
            "pages": self.shown.pages,
            "notice": self.notice,
        }
        return json.dumps(body)


_turns = web.AppKey("catalog_turns", FairTurns)
_thread = web.AppKey("catalog_thread", asyncio.Lock)


async def show_page(request: web.Request) -> web.Response:
    """Answer one page of rows as HTML."""
    text = await _answered(request, Answer.to_page)
    return web.Response(text=text, content_type="text/html", charset="utf-8", headers=HEADERS)


async def show_rows(request: web.Request) -> web.Response:
    """Answer one page of rows as JSON, and of how many."""
    text = await _answered(request, Answer.to_json)
    return web.json_response(text=text, headers={"Cache-Control": "no-store"})


def limit_catalogs(app: web.Application) -> None:
    """Give an application its turns for catalogs."""
    app[_turns] = FairTurns("catalogs", most=PENDING, each=EACH, reason=Reason.GatewayUnavailable)
    app[_thread] = asyncio.Lock()


def scope_words(namespaces: tuple[str, ...] | None) -> str:
    """Say of which namespaces a page is, by at most ``NAMED`` of their names."""
    if namespaces is None:
        return "All namespaces"
    names, others = ", ".join(namespaces[:NAMED]), len(namespaces) - NAMED
    return f"Namespace{'s' * (len(namespaces) > 1)} {names}" + (f" and {others} more" if others > 0 else "")


async def _answered(request: web.Request, write: Callable[[Answer], str]) -> str:
    services = request.app[SERVICES]
    user = await services.people.user_of(request)
    selection = Selection.of_query(request.query)
    populated = services.views.catalog_namespaces()
    namespaces = await services.readers.scope_of(user, selection.namespace, populated)
    # In a thread, and in one at a time: pods that wait for an answer come between.
    async with request.app[_turns].one(user.username), request.app[_thread]:
        rows, notice = list(services.views.catalog_rows(namespaces)), services.views.trouble or ""
        return await asyncio.to_thread(lambda: write(Answer(namespaces, shown(rows, selection), notice)))
