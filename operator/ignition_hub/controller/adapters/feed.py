"""
A mirror that is fed by a watch of our own: engines, Jobs and pods, whose events are many.

kopf's path for one event costs more than all that follows from it, and of what it does there nothing is used
(``docs/adr/0001-kopf-is-a-shell.md``).
"""

import logging
from collections.abc import Callable

from ignition_hub.controller.adapters.object_cache import Mirror, Name, name_of, version_of
from ignition_hub.controller.adapters.scopes import Scope
from ignition_hub.kube import Follower, Kube, Object, WhereServed

logger = logging.getLogger(__name__)

Tell = Callable[[str, Object], None]
"""Takes ``ADDED``, ``MODIFIED`` or ``DELETED`` and the object, and mirrors it."""


class Feed(Follower):
    """Tells everything that happens to a kind; what went away between two watches is told as deleted."""

    page = 500  # the mirror holds all of them whole anyway

    def __init__(self, kube: Kube, scope: Scope, mirror: Mirror, tell: Tell) -> None:
        super().__init__(kube, *scope)
        self._mirror = mirror
        self._tell = tell
        self._before: dict[Name, int] = {}

    def _begin(self) -> None:
        self._before = self._mirror.versions()

    def _listed(self, body: Object) -> None:
        self._before.pop(name_of(body), None)
        self._happened("ADDED", body)

    def _end(self) -> None:
        for name, version in self._before.items():
            known = self._mirror.get(*name)
            if known is not None and version_of(known) == version:
                self._happened("DELETED", known)
        self._before = {}

    def _happened(self, event: str, body: Object) -> None:
        try:
            self._tell(event, body)
        except Exception:  # one object that cannot be read must not end the watch of the others
            logger.exception("cannot take in %s %s", self.resource.kind, body["metadata"]["name"])


class FeedWhereServed(WhereServed, Feed):
    """A feed of a kind that the cluster may not serve."""
