"""
What one question to a bucket's server is: objects below a prefix of its own in, what was seen out.

``habits`` asks them all; they stand in ``request_questions`` and ``url_questions``.
"""

from dataclasses import dataclass

from ignition_hub.store.objects import ObjectStore

Seen = tuple[bool, str]
"""Whether what the hub relies on holds, and what was seen."""


@dataclass(frozen=True, slots=True)
class Folder:
    """Where one probe writes."""

    store: ObjectStore
    prefix: str

    def key(self, name: str) -> str:
        """Return the key of an object of the probe."""
        return f"{self.prefix}{name}"


def verdict(holds: bool, right: str, wrong: str) -> Seen:
    """Return what was seen, in the words for what it means."""
    return holds, right if holds else wrong
