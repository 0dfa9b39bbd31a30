"""
The order of the builds that wait in one pool: namespaces take turns, each with its oldest build. Pure.

Each namespace has one place in a round. Its builds take its places by age, so an older one that comes late
takes the first and the others move back by one. A namespace that has had its turn in this round, or that
comes when others have been waiting, begins in the round that is next for it: waiting earns no credit.

A namespace's thousand builds thus delay another's first by one. Entering, leaving and asking for a position
are searches in sorted lists.
"""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

Turn = tuple[float, str]
"""When a build was first asked for (seconds since the epoch), and its identity."""

Place = tuple[int, str]
"""The round, and the namespace that has the place: within a round, namespaces go by name."""


@dataclass(slots=True)
class _Lane:
    """What waits of one namespace: ``turns[n]`` has the place in round ``first + n``."""

    first: int
    turns: list[Turn] = field(default_factory=list)


class FairOrder:
    """Who is before whom in one pool."""

    def __init__(self) -> None:
        self._round = 0
        self._served: set[str] = set()
        self._lanes: dict[str, _Lane] = {}
        self._places: list[Place] = []

    def __len__(self) -> int:
        """Return how many builds wait."""
        return len(self._places)

    def ahead(self, namespace: str, turn: Turn) -> int:
        """Return how many builds go before ``turn`` of ``namespace``, which waits or would."""
        lane = self._lane(namespace)
        return bisect_left(self._places, (lane.first + bisect_left(lane.turns, turn), namespace))

    def enter(self, namespace: str, turn: Turn) -> None:
        """Have a build wait."""
        lane = self._lanes.setdefault(namespace, self._lane(namespace))
        insort(self._places, (lane.first + len(lane.turns), namespace))
        insort(lane.turns, turn)

    def leave(self, namespace: str, turn: Turn) -> None:
        """Take out a build that is wanted no more: its namespace has one place less, the last."""
        lane = self._lanes[namespace]
        self._remove(namespace, turn, lane.first + len(lane.turns) - 1)

    def serve(self, namespace: str, turn: Turn) -> None:
        """Take out a build that starts: its namespace has had its turn."""
        lane = self._lanes[namespace]
        self._remove(namespace, turn, lane.first)
        if lane.first > self._round:
            self._round, self._served = lane.first, set()
        if lane.first == self._round:
            self._served.add(namespace)
        lane.first += 1

    def first(self, count: int) -> list[str]:
        """Return the identities of the ``count`` builds that go first."""
        lanes = ((self._lanes[namespace], number) for number, namespace in self._places[:count])
        return [lane.turns[number - lane.first][1] for lane, number in lanes]

    def _lane(self, namespace: str) -> _Lane:
        lane = self._lanes.get(namespace)
        return lane or _Lane(self._round + (namespace in self._served))

    def _remove(self, namespace: str, turn: Turn, number: int) -> None:
        lane = self._lanes[namespace]
        del self._places[bisect_left(self._places, (number, namespace))]
        del lane.turns[bisect_left(lane.turns, turn)]
        if not lane.turns:
            del self._lanes[namespace]
