"""
How a registry asks who is there: ``WWW-Authenticate``, for a password or for the token of a named server.

Pure; ``client`` follows it. As the specification of the distribution project has it.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from ignition_hub.registry.errors import RegistryRefused

_PARAMETER = re.compile(r'([A-Za-z]+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Challenge:
    """What would be accepted: ``basic``, or ``bearer`` with where a token is to be had."""

    scheme: str
    realm: str = ""
    service: str = ""

    def token_url(self, scope: str) -> str:
        """Return where a token for ``scope`` is asked for."""
        query = {"scope": scope} | ({"service": self.service} if self.service else {})
        return f"{self.realm}{'&' if '?' in self.realm else '?'}{urlencode(query)}"


def challenge_in(header: str) -> Challenge:
    """Read a header; RegistryRefused where it asks for what a machine cannot give."""
    scheme, _, rest = header.strip().partition(" ")
    found = dict(_PARAMETER.findall(rest))
    if scheme.lower() == "basic":
        return Challenge("basic")
    if scheme.lower() == "bearer" and found.get("realm"):
        return Challenge("bearer", found["realm"], found.get("service", ""))
    raise RegistryRefused(
        f"the registry asks for the authentication {header!r:.80}", "it must take Basic or Bearer"
    )


def scope_of(name: str) -> str:
    """Return the right that pushing to a repository takes."""
    return f"repository:{name}:pull,push"
