"""
Who may list TensorRTEngines, and where: the API server's word about a caller, remembered for some seconds.
"""

from ignition_hub.engine.errors import Reason
from ignition_hub.fair_turns import FairTurns
from ignition_hub.gateway.cluster.callers import REMEMBERED, REVIEW_SECONDS
from ignition_hub.gateway.errors import NotPermitted
from ignition_hub.kube import ENGINES, Kube, TokenUser
from ignition_hub.ttl_cache import TtlCache

EVERY_NAMESPACE = ""
QUESTIONS_PENDING, QUESTIONS_EACH = 64, 2
"""Each namespace that is named is a question to the API server: who names many waits for itself."""

_Question = tuple[str, str, tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...], str]


class Readers:
    """Answers which namespaces' engines a caller is shown; at most two questions to the API server each."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._verdicts: TtlCache[_Question, bool] = TtlCache(seconds=REVIEW_SECONDS, size=REMEMBERED)
        self._turns = FairTurns(
            "access reviews",
            most=QUESTIONS_PENDING,
            each=QUESTIONS_EACH,
            reason=Reason.GatewayUnavailable,
        )

    async def scope_of(self, user: TokenUser, namespace: str) -> str:
        """
        Return ``namespace`` if the caller may list the engines there, else raise NotPermitted.

        Where it names none, it is every namespace if the caller may list all, else that of its account.
        """
        wanted = [namespace] if namespace else [EVERY_NAMESPACE, user.namespace]
        for scope in wanted:
            if scope is not None and await self._may_list(user, scope):
                return scope
        where = f"in namespace {wanted[-1]}" if wanted[-1] else "in all namespaces"
        raise NotPermitted(
            f"{user.username} may not list {ENGINES.plural} {where}",
            "bind the ClusterRole view to it there, or name a namespace where it may: ?namespace=NAME",
        )

    async def _may_list(self, user: TokenUser, namespace: str) -> bool:
        extra = tuple(sorted((name, tuple(values)) for name, values in user.extra.items()))
        question = (user.username, user.uid, user.groups, extra, namespace)
        return await self._verdicts.get(question, lambda: self._ask(user, namespace))

    async def _ask(self, user: TokenUser, namespace: str) -> bool:
        async with self._turns.one(user.username):
            return await self._kube.may(user, "list", ENGINES, namespace)
