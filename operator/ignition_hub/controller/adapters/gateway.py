"""
One question to the gateway, over TLS: what ``public_keys`` and ``store_findings`` are read by.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

DEADLINE = 10.0
FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
"""How a question may end without an answer."""


async def answer_of(url: str, ca_file: Path | None, headers: Mapping[str, str] | None = None) -> Any:
    """Return the JSON document at ``url``; one of ``FAILURES``. ``ca_file`` verifies the gateway."""
    # Read each time: a renewed certificate authority arrives in the same file.
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    timeout = aiohttp.ClientTimeout(total=DEADLINE)
    async with (
        aiohttp.ClientSession(timeout=timeout, headers=headers) as session,
        session.get(url, ssl=context, allow_redirects=False) as answer,
    ):
        answer.raise_for_status()
        return await answer.json()
