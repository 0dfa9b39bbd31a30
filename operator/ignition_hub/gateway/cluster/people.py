"""
People before the catalog: users whom the API server knows by a token of theirs.

What a person sends is what ``kubectl`` sends, with which the API server would do all that this person may do.
So it is taken where nothing but rows is answered, goes into one TokenReview, and is neither kept nor sent
elsewhere; what it shows is what the person may list with it anyway. Programs have tokens that are good for
this gateway alone: theirs for the API server are refused, so that none makes a habit of sending them.
"""

from aiohttp import web

from ignition_hub.engine.errors import Reason
from ignition_hub.engine.names import AUDIENCE
from ignition_hub.fair_turns import FairTurns
from ignition_hub.gateway.cluster.callers import (
    REMEMBERED,
    REVIEW_SECONDS,
    Callers,
    bearer_token,
    digest_of,
)
from ignition_hub.gateway.cluster.tokens import ForeignToken
from ignition_hub.gateway.errors import TokenRejected
from ignition_hub.kube import Kube, TokenUser
from ignition_hub.ttl_cache import TtlCache

REVIEWS_PENDING, REVIEWS_EACH = 64, 2
"""Of one address at a time: whether a person's token is junk only the API server can tell."""

SEND = (
    "send the token that kubectl sends for you, or one of a ServiceAccount for this gateway (kubectl create "
    f"token NAME --audience {AUDIENCE}); where kubectl has a client certificate and no token, "
    "kubectl ignition catalog --serve shows the same"
)
PROGRAMS = "system:"
"""Kubernetes keeps names with this prefix to itself: ServiceAccounts, nodes, bootstrap tokens."""


class People:
    """Tells who asks for the catalog: a ServiceAccount with a token for us, or a person."""

    def __init__(self, callers: Callers, reviews: Kube) -> None:
        self._callers, self._reviews = callers, reviews
        self._turns = FairTurns(
            "token reviews of people",
            most=REVIEWS_PENDING,
            each=REVIEWS_EACH,
            reason=Reason.GatewayUnavailable,
        )
        # Apart from the memory of the callers: who is known here is known to no other route.
        self._known: TtlCache[str, TokenUser | None] = TtlCache(seconds=REVIEW_SECONDS, size=REMEMBERED)

    async def user_of(self, request: web.Request) -> TokenUser:
        """Return who the bearer token belongs to; TokenRejected says what would be taken."""
        token = bearer_token(request.headers, SEND)
        try:
            return await self._callers.user_of(request)
        except ForeignToken:
            return await self._person(token, request.remote or "")

    async def _person(self, token: str, address: str) -> TokenUser:
        user = await self._known.get(digest_of(token), lambda: self._review(token, address))
        if user is None:
            raise TokenRejected(
                f"the API server accepts the token neither for the audience {AUDIENCE} nor for itself", SEND
            )
        if user.username.startswith(PROGRAMS):
            raise TokenRejected(f"{user.username} is no person, and its token is for the API server", SEND)
        return user

    async def _review(self, token: str, address: str) -> TokenUser | None:
        async with self._turns.one(address):
            return await self._reviews.review_token(token)
