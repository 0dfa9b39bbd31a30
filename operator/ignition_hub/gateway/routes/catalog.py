"""
``GET /catalog`` and ``GET /v1/catalog``: the engines that the caller may list, as a page and as a document.

The rows are in memory; of the API server nothing is asked but who the caller is and what it may list. Both
are read-only, and the token is in a header, which no other site can have a browser send.
"""

import time
from dataclasses import dataclass

from aiohttp import web

from ignition_hub.catalog.page import HEADERS, page
from ignition_hub.catalog.selection import Selection, Shown, shown
from ignition_hub.gateway.services import SERVICES


@dataclass(frozen=True, slots=True)
class Answer:
    """What a caller is shown: ``namespace`` is empty where it is every one."""

    namespace: str
    shown: Shown
    notice: str
    """Why the rows may be old; empty while the API server answers."""

    @property
    def scope(self) -> str:
        """Which namespaces it is of, in words."""
        return f"Namespace {self.namespace}" if self.namespace else "All namespaces"


async def show_page(request: web.Request) -> web.Response:
    """Answer one page of rows as HTML."""
    answer = await _answer(request)
    body = page(answer.shown, time.time(), scope=answer.scope, notice=answer.notice)
    return web.Response(text=body, content_type="text/html", charset="utf-8", headers=HEADERS)


async def show_rows(request: web.Request) -> web.Response:
    """Answer one page of rows as JSON, and of how many."""
    answer = await _answer(request)
    body = {
        "namespace": answer.namespace,
        "engines": [row.to_json() for row in answer.shown.rows],
        "total": answer.shown.total,
        "ready": answer.shown.ready,
        "page": answer.shown.selection.page,
        "pages": answer.shown.pages,
        "notice": answer.notice,
    }
    return web.json_response(body, headers={"Cache-Control": "no-store"})


async def _answer(request: web.Request) -> Answer:
    services = request.app[SERVICES]
    user = await services.callers.user_of(request)
    selection = Selection.of_query(request.query)
    namespace = await services.readers.scope_of(user, selection.namespace)
    rows = services.views.catalog_rows(namespace)
    return Answer(namespace, shown(rows, selection), services.views.trouble or "")
