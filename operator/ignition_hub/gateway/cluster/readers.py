"""
Who may list TensorRTEngines, and where: the API server's word about a caller, remembered for some seconds.
"""

from collections.abc import Sequence

from ignition_hub.engine.errors import Reason
from ignition_hub.fair_turns import FairTurns
from ignition_hub.gateway.cluster.callers import REMEMBERED, REVIEW_SECONDS
from ignition_hub.gateway.errors import NotPermitted
from ignition_hub.kube import ENGINES, Kube, TokenUser
from ignition_hub.ttl_cache import TtlCache

EVERY_NAMESPACE = ""
QUESTIONS_PENDING, QUESTIONS_EACH = 64, 2
"""Each namespace that is named is a question to the API server: who names many waits for itself."""

NAMESPACES_ASKED = 100
"""Who may not list all namespaces is asked about one after the other, in a few tenths of a second."""

REMEDY = "bind the ClusterRole view to it there, or name a namespace where it may: ?namespace=NAME"

_Question = tuple[str, str, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...], str]


class Readers:
    """Answers which namespaces' engines a caller is shown, with few questions to the API server at a time."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._verdicts: TtlCache[_Question, bool] = TtlCache(seconds=REVIEW_SECONDS, size=REMEMBERED)
        self._turns = FairTurns(
            "access reviews",
            most=QUESTIONS_PENDING,
            each=QUESTIONS_EACH,
            reason=Reason.GatewayUnavailable,
        )

    async def scope_of(self, user: TokenUser, named: str, populated: Sequence[str]) -> tuple[str, ...] | None:
        """
        Return the namespaces whose engines the caller is shown, None for every one; NotPermitted without any.

        It is the one that is ``named``. Where none is, it is every namespace if the caller may list all, else
        that of its account, and of a person those of the ``populated`` that the person may list.
        """
        if not named and await self._may_list(user, EVERY_NAMESPACE):
            return None
        if one := named or user.namespace:
            return await self._one(user, one)
        return await self._several(user, populated)

    async def _one(self, user: TokenUser, namespace: str) -> tuple[str, ...]:
        if await self._may_list(user, namespace):
            return (namespace,)
        raise NotPermitted(f"{user.username} may not list {ENGINES.plural} in namespace {namespace}", REMEDY)

    async def _several(self, user: TokenUser, populated: Sequence[str]) -> tuple[str, ...]:
        everywhere = f"{user.username} may not list {ENGINES.plural} in all namespaces"
        if len(populated) > NAMESPACES_ASKED:
            raise NotPermitted(
                f"{everywhere}, and those that have any are more than {NAMESPACES_ASKED}",
                "name a namespace: ?namespace=NAME",
            )
        permitted = tuple([each for each in populated if await self._may_list(user, each)])
        if not permitted:
            raise NotPermitted(f"{everywhere}, and in none that has any", REMEDY)
        return permitted

    async def _may_list(self, user: TokenUser, namespace: str) -> bool:
        extra = tuple(sorted((name, tuple(values)) for name, values in user.extra.items()))
        question = (user.username, user.uid, user.groups, extra, namespace)
        return await self._verdicts.get(question, lambda: self._ask(user, namespace))

    async def _ask(self, user: TokenUser, namespace: str) -> bool:
        async with self._turns.one(user.username):
            return await self._kube.may(user, "list", ENGINES, namespace)
