"""
Words of others, made fit for a message: a tenant's model, a library's error, a line of NVIDIA's log.

What a builder quotes out of models is read by people of other namespaces. It comes twice: over the gateway,
and as the termination message of a pod.
"""

from typing import Any


def printable(text: str) -> str:
    """Return ``text`` without what would steer a terminal or break a document; line ends stay."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)


def on_one_line(text: str, most: int | None = None) -> str:
    """Return ``text`` with every run of blanks and line ends as one blank, cut after ``most`` characters."""
    return " ".join(text.split())[:most]


def shown(value: Any) -> str:
    """Return a value of a document as messages show it: at most 80 characters, however deep it is nested."""
    try:
        return f"{value!r:.80}"
    except RecursionError:
        return "…"


def shortened(text: str, most: int) -> str:
    """Return at most ``most`` characters of ``text``; an ellipsis says that it was longer."""
    return text if len(text) <= most else text[: most - 1] + "…"


def quoted(text: str, most: int) -> str:
    """Return ``text`` on one line, shortened."""
    return shortened(on_one_line(text), most)
