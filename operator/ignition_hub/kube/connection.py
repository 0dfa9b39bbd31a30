"""
The connection to the API server: who we are, and the HTTP that ``client`` speaks.

``kubernetes.aio`` supplies log-in and TLS only. Its generated transport reads ``.netrc`` and the proxy's
variables for every request, each in a thread of its own, which costs more than the request. Here the proxy
is looked up once, and ``.netrc`` never: it holds nothing for an API server.
"""

from collections.abc import AsyncIterator, Mapping
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio.client import Configuration
from kubernetes.aio.client.rest import RESTClientObject
from yarl import URL

from ignition_hub.engine.names import FIELD_MANAGER

ACCEPTED = "application/json, application/jwk-set+json;q=0.9"
"""The keys of ServiceAccount tokens come as the second, and as nothing else (406)."""

ALWAYS = {"Accept": ACCEPTED, "User-Agent": FIELD_MANAGER}

LONGEST_LINE = 2**21
"""Bytes of an answer that are read ahead: an event of a watch is one object."""


class Connection:
    """A pool of connections; made in the event loop that uses it."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        self._server_name: str | None = configuration.tls_server_name or None
        self._proxy, self._proxy_headers = proxy_of(configuration.host, configuration.proxy)
        connector = aiohttp.TCPConnector(
            ssl=RESTClientObject(configuration).ssl_context, limit=configuration.connection_pool_maxsize
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers=ALWAYS,
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=LONGEST_LINE,
        )

    async def close(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def exchange(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
    ) -> tuple[int, bytes]:
        """Send one request; return the status and the whole body of its answer."""
        async with await self._begin(method, path, body, headers, limits) as answer:
            return answer.status, await answer.read()

    async def lines(self, path: str, limits: aiohttp.ClientTimeout) -> AsyncIterator[tuple[int, bytes]]:
        """Yield the status and each line of an answer that does not end; of a refusal, its whole body."""
        answer = await self._begin("GET", path, None, {}, limits)
        try:
            if answer.status >= 400:
                yield answer.status, await answer.read()
                return
            rest = b""
            async for chunk in answer.content.iter_any():
                *whole, rest = (rest + chunk).split(b"\n")
                for line in whole:
                    yield answer.status, line
        finally:
            # The API server goes on sending: a TLS connection that ended politely would wait for it.
            if answer.connection is not None and answer.connection.transport is not None:
                answer.connection.transport.abort()
            answer.close()

    async def _begin(
        self,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
    ) -> aiohttp.ClientResponse:
        # Asked every time: a service account's token is replaced while the process runs.
        token = await self._configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
        return await self._session.request(
            method,
            URL(f"{self._configuration.host}{path}", encoded=True),
            data=body,
            headers={**headers, "Authorization": token} if token else headers,
            timeout=limits,
            proxy=self._proxy,
            proxy_headers=self._proxy_headers,
            server_hostname=self._server_name,
        )


def proxy_of(host: str, given: str | None) -> tuple[URL | None, dict[str, str]]:
    """Return the proxy to an API server, ``given`` or the environment's, and the headers it asks for."""
    server = URL(host)
    text = given or ("" if proxy_bypass(server.host or "") else getproxies().get(server.scheme))
    if not text:
        return None, {}
    proxy = URL(text)
    if proxy.user is None:
        return proxy, {}
    credentials = aiohttp.encode_basic_auth(proxy.user, proxy.password or "")
    return proxy.with_user(None), {"Proxy-Authorization": credentials}
