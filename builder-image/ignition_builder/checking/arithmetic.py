"""
Names of dimensions that are sums of others, as exporters write them: ``past_sequence_length + 1``.

Optimum and PyTorch name a size by how it comes about; ONNX and TensorRT take the whole text for a name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

LONGEST = 120
"""Characters of a name that is read as a sum; it bounds how deep its brackets go."""
_PIECE = re.compile(r"\s*([0-9]{1,10}|[A-Za-z_][A-Za-z0-9_.]*|//|[-+*()])")
_SIGNS = frozenset({"+", "-", "*", "//"})


@dataclass(frozen=True, slots=True)
class Sum:
    """A name with at least one sign in it; ``names`` are those it is made of, in order."""

    text: str
    names: tuple[str, ...]

    def at(self, sizes: Mapping[str, int]) -> int | None:
        """Return what it is where its names have these sizes; None without one, or for a division by 0."""
        try:
            return _Reader(_pieces(self.text) or [], sizes).whole()
        except (ValueError, ZeroDivisionError):
            return None


def sum_in(name: str) -> Sum | None:
    """Read a name as a sum (``+ - * //``, brackets, whole numbers); None where it is none."""
    pieces = _pieces(name)
    if pieces is None or not _SIGNS.intersection(pieces):
        return None
    names = tuple(dict.fromkeys(piece for piece in pieces if piece[0].isalpha() or piece[0] == "_"))
    try:
        _Reader(pieces, dict.fromkeys(names, 1)).whole()
    except ValueError:
        return None
    except ZeroDivisionError:
        pass
    return Sum(name, names)


def _pieces(text: str) -> list[str] | None:
    pieces, place, text = [], 0, text.rstrip()
    while place < len(text) <= LONGEST:
        found = _PIECE.match(text, place)
        if found is None:
            return None
        pieces.append(found[1])
        place = found.end()
    return pieces or None


class _Reader:
    """Computes from left to right, products before sums; ValueError where the pieces are no sum."""

    def __init__(self, pieces: list[str], sizes: Mapping[str, int]) -> None:
        self._left, self._sizes = [*reversed(pieces)], sizes

    def whole(self) -> int:
        value = self._sum()
        if self._left:
            raise ValueError(self._left)
        return value

    def _sum(self) -> int:
        value = self._product()
        while self._next in ("+", "-"):
            value += self._product() if self._left.pop() == "+" else -self._product()
        return value

    def _product(self) -> int:
        value = self._one()
        while self._next in ("*", "//"):
            value = value * self._one() if self._left.pop() == "*" else value // self._one()
        return value

    def _one(self) -> int:
        piece = self._left.pop() if self._left else ""
        if piece == "(":
            value = self._sum()
            if self._next != ")":
                raise ValueError(piece)
            self._left.pop()
            return value
        if piece.isdecimal():
            return int(piece)
        if piece not in self._sizes:
            raise ValueError(piece)
        return self._sizes[piece]

    @property
    def _next(self) -> str:
        return self._left[-1] if self._left else ""
