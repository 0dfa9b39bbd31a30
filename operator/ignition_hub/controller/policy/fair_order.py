"""
The order of the builds that wait in one pool: namespaces take turns, each with its oldest build. Pure.

Each namespace has as many places in a round as its weight, spread evenly over it: of two with weights 3 and 1
one starts three builds for each of the other. Its builds take its places by age, so an older one that comes
late takes the first and the others move back by one. A namespace that has had its places in this round, or
that comes when others have been waiting, begins in the round that is next for it: waiting earns no credit.

A namespace's thousand builds thus delay another's first by its weight at most. Entering, leaving and asking
for a position are searches in sorted lists.
"""

from bisect import bisect_left, insort
from collections import Counter
from dataclasses import dataclass, field

Turn = tuple[float, str]
"""When a build was first asked for (seconds since the epoch), and its identity."""

Place = tuple[int, float, str]
"""The round, the part of it that goes before, and the namespace, by name where two have the same part."""


@dataclass(slots=True)
class _Lane:
    """What waits of one namespace: ``turns[n]`` has its place ``first + n``, counted over all rounds."""

    namespace: str
    weight: int
    first: int
    turns: list[Turn] = field(default_factory=list)

    @property
    def round(self) -> int:
        """The round of its first place."""
        return self.first // self.weight

    def place(self, number: int) -> Place:
        """Return the place of ``turns[number]``."""
        in_round, of_it = divmod(self.first + number, self.weight)
        return in_round, of_it / self.weight, self.namespace

    def places(self) -> list[Place]:
        """Return the places of all its turns."""
        return [self.place(number) for number in range(len(self.turns))]


class FairOrder:
    """Who is before whom in one pool."""

    def __init__(self) -> None:
        self._round = 0
        self._served: Counter[str] = Counter()
        self._weights: dict[str, int] = {}
        self._lanes: dict[str, _Lane] = {}
        self._places: list[Place] = []

    def __len__(self) -> int:
        """Return how many builds wait."""
        return len(self._places)

    def weigh(self, namespace: str, weight: int) -> None:
        """Give a namespace ``weight`` places in a round, at least one; what waits has other places then."""
        if self._weights.get(namespace, 1) == weight:
            return
        self._weights[namespace] = weight
        if lane := self._lanes.get(namespace):
            begun, used = divmod(lane.first, lane.weight)
            lane.weight, lane.first = weight, begun * weight + min(used, weight)
            others = [place for place in self._places if place[-1] != namespace]
            self._places = sorted(others + lane.places())

    def ahead(self, namespace: str, turn: Turn) -> int:
        """Return how many builds go before ``turn`` of ``namespace``, which waits or would."""
        lane = self._lane(namespace)
        return bisect_left(self._places, lane.place(bisect_left(lane.turns, turn)))

    def enter(self, namespace: str, turn: Turn) -> None:
        """Have a build wait."""
        lane = self._lanes.setdefault(namespace, self._lane(namespace))
        insort(self._places, lane.place(len(lane.turns)))
        insort(lane.turns, turn)

    def leave(self, namespace: str, turn: Turn) -> None:
        """Take out a build that is wanted no more: its namespace has one place less, the last."""
        lane = self._lanes[namespace]
        self._remove(lane, turn, len(lane.turns) - 1)

    def serve(self, namespace: str, turn: Turn) -> None:
        """Take out a build that starts: its namespace has had one of its places."""
        lane = self._lanes[namespace]
        self._remove(lane, turn, 0)
        if lane.round > self._round:
            self._round, self._served = lane.round, Counter()
        if lane.round == self._round:
            self._served[namespace] += 1
        lane.first += 1

    def first(self, count: int) -> list[str]:
        """Return the identities of the ``count`` builds that go first."""
        told: Counter[str] = Counter()
        identities = []
        for *_, namespace in self._places[:count]:
            identities.append(self._lanes[namespace].turns[told[namespace]][1])
            told[namespace] += 1
        return identities

    def _lane(self, namespace: str) -> _Lane:
        weight = self._weights.get(namespace, 1)
        used = min(self._served[namespace], weight)
        return self._lanes.get(namespace) or _Lane(namespace, weight, self._round * weight + used)

    def _remove(self, lane: _Lane, turn: Turn, number: int) -> None:
        del self._places[bisect_left(self._places, lane.place(number))]
        del lane.turns[bisect_left(lane.turns, turn)]
        if not lane.turns:
            del self._lanes[lane.namespace]
