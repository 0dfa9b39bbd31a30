"""
A token's own words, checked before the API server is asked whose it is.

Anybody can send anything as a token, and a TokenReview costs the API server and a place in our budget. What
this cluster did not sign, what is for somebody else and what has expired is refused here, from the cluster's
public keys. What passes is not believed for that: the API server alone knows that its pod still exists.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from ignition_hub.engine.names import AUDIENCE
from ignition_hub.gateway.errors import TokenRejected
from ignition_hub.kube import Kube, KubeError
from ignition_hub.ttl_cache import TtlCache

log = logging.getLogger(__name__)

ALGORITHMS = ("RS256", "ES256", "ES384", "ES512")
"""What the API server and external signers sign with (``service-account-issuer`` of Kubernetes 1.36)."""

LEEWAY = 60.0
"""Seconds the clocks of API server and gateway may differ; the review judges without."""

KEYS_SECONDS = 600.0
RENEWED_AFTER = 10.0
"""An unknown key, or a failure, has the keys read again, but no sooner: junk must not make us ask."""

Keys = Mapping[str, jwt.PyJWK]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token of this cluster says of itself."""

    namespace: str


class ForeignToken(TokenRejected):
    """It is not known to be a ServiceAccount token of this cluster: it may be a person's."""


class TokenCheck:
    """Tells what is worth a TokenReview."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._keys: TtlCache[str, Keys | None] = TtlCache(seconds=KEYS_SECONDS, size=1)
        self._renewed: TtlCache[str, Keys | None] = TtlCache(seconds=RENEWED_AFTER, size=1)

    async def claims_of(self, token: str) -> Claims | None:
        """
        Return what a token says; None when this cluster does not publish its keys.

        Raise TokenRejected for a token that the API server would not accept for our audience either, and
        ForeignToken where that is because this cluster did not issue it.
        """
        keys = await self._keys.get("keys", self._read)
        if keys is None and (keys := await self._renewed.get("keys", self._renew)) is None:
            return None
        try:
            key = await self._key_of(token, keys)
        except jwt.PyJWTError as error:
            raise refused(str(error), ForeignToken) from error
        try:
            claims = _decoded(token, key)
        except jwt.PyJWTError as error:
            raise refused(str(error)) from error
        bound = claims.get("kubernetes.io")
        namespace = bound.get("namespace") if isinstance(bound, Mapping) else None
        return Claims(namespace if isinstance(namespace, str) else "")

    async def _key_of(self, token: str, keys: Keys) -> jwt.PyJWK:
        kid = str(jwt.get_unverified_header(token).get("kid"))
        key = keys.get(kid) or (await self._renewed.get("keys", self._renew) or {}).get(kid)
        if key is None:
            raise jwt.InvalidTokenError("it is not signed by this cluster")
        return key

    async def _renew(self) -> Keys | None:
        self._keys.forget("keys")
        return await self._keys.get("keys", self._read)

    async def _read(self) -> Keys | None:
        try:
            published = await self._kube.token_keys()
            return {str(key.key_id): key for key in jwt.PyJWKSet.from_dict(published).keys}
        except (KubeError, jwt.PyJWTError) as error:
            log.warning("tokens are left to the API server: the cluster's keys cannot be read: %s", error)
            return None


def _decoded(token: str, key: jwt.PyJWK) -> Mapping[str, Any]:
    claims: Mapping[str, Any] = jwt.decode(
        token, key, algorithms=ALGORITHMS, audience=AUDIENCE, leeway=LEEWAY, options={"verify_iat": False}
    )
    return claims


def refused(why: str, kind: type[TokenRejected] = TokenRejected) -> TokenRejected:
    """Return the refusal of a token."""
    return kind(
        f"the token is not valid for the audience {AUDIENCE}: {why}",
        "use a fresh ServiceAccount token with that audience",
    )
