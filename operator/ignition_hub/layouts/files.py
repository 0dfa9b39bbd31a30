"""The files of a layout, as the fetcher writes them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LayoutFile:
    """
    One file: ``path`` is relative to the folder of the engine's alias, with ``/`` between its parts.

    ``content`` is None for the engine itself, which has a second name there and no second copy.
    """

    path: str
    content: bytes | None = None
