"""
Which rows were asked for, and what of them is shown at once.

The words are those of a query string: the page, the gateway and ``kubectl ignition catalog`` read them alike.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from ignition_hub.catalog.rows import CatalogRow
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.state import State

PAGE_ROWS = 100
"""Rows of one answer of the gateway."""
LONGEST = 253
"""Characters of a word that is searched for: no name of Kubernetes has more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """
    What a row must have to be shown; empty words ask for nothing.

    ``model`` is a part of the model's name, ``gpu`` a part of a product or architecture, both in upper or
    lower case; ``namespace`` and ``state`` are whole words. ``page`` counts from 1.
    """

    namespace: str = ""
    model: str = ""
    gpu: str = ""
    state: str = ""
    page: int = 1

    def __post_init__(self) -> None:
        words = {"namespace": self.namespace, "model": self.model, "gpu": self.gpu}
        for name, word in words.items():
            if len(word) > LONGEST:
                raise ContractError(f"{name}: {len(word)} characters", f"at most {LONGEST} are accepted")
        if self.state and self.state not in set(map(str, State)):
            raise ContractError(
                f"state: {self.state!r:.80} is not a state", f"use one of {', '.join(State)}, or leave it out"
            )

    @classmethod
    def of_query(cls, query: Mapping[str, str]) -> "Selection":
        """Read a query string's first values; ContractError names what is wrong."""
        words = {name: query.get(name, "").strip() for name in ("namespace", "model", "gpu", "state")}
        page = query.get("page", "1")
        if not re.fullmatch(r"[1-9][0-9]{0,8}", page):
            raise ContractError(f"page: {page!r:.80} is not a page number", "pages count from 1")
        return cls(**words, page=int(page))

    def query(self, *, page: int = 1) -> str:
        """Return the query string of another page of the same rows."""
        words = {"namespace": self.namespace, "model": self.model, "gpu": self.gpu, "state": self.state}
        asked = {name: word for name, word in words.items() if word}
        return urlencode({**asked, **({"page": page} if page > 1 else {})})

    def has(self, row: CatalogRow) -> bool:
        """Tell whether a row is one of those that were asked for."""
        return (
            (not self.namespace or row.namespace == self.namespace)
            and (not self.state or row.state == self.state)
            and self.model.lower() in row.model.lower()
            and (self.gpu.lower() in row.product.lower() or self.gpu.lower() in row.arch)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The rows of one page, and of how many; ``selection`` names the page that it is."""

    selection: Selection
    rows: Sequence[CatalogRow]
    total: int
    """Rows that were asked for."""
    ready: int
    """Those of them that pods get."""
    pages: int
    """At least 1."""

    @property
    def first(self) -> int:
        """The number of the first row, counted from 1; 0 without rows."""
        return (self.selection.page - 1) * PAGE_ROWS + 1 if self.rows else 0


def found(rows: Iterable[CatalogRow], selection: Selection) -> list[CatalogRow]:
    """Return the rows that were asked for: by model, then by GPU."""
    return sorted(filter(selection.has, rows), key=_place)


def shown(rows: Iterable[CatalogRow], selection: Selection) -> Shown:
    """Return one page of the rows that were asked for: the last one where it has fewer pages."""
    every = found(rows, selection)
    pages = max(1, -(-len(every) // PAGE_ROWS))
    page = min(selection.page, pages)
    return Shown(
        selection=replace(selection, page=page),
        rows=every[(page - 1) * PAGE_ROWS : page * PAGE_ROWS],
        total=len(every),
        ready=sum(row.is_ready for row in every),
        pages=pages,
    )


def _place(row: CatalogRow) -> tuple[str, ...]:
    return (
        row.model, row.version, row.precision, row.arch, row.product, row.namespace, row.resource, row.target,
    )  # fmt: skip
