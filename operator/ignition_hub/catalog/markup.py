"""
HTML made of elements, so that a text cannot be markup: what is not ``Html`` is escaped.
"""

from html import escape

VOID = frozenset({"input", "link", "meta"})
"""Elements that have no content and no end tag."""


class Html(str):
    """Markup as it stands; only ``element`` makes it, and constants of the program."""

    __slots__ = ()


def element(tag: str, *content: str, **attributes: str | bool) -> Html:
    """
    Return an element; an attribute that is True has no value, and one that is False is left out.

    In names ``_`` stands for ``-``, but at the end for nothing: ``aria_label``, ``class_``.
    """
    words = [tag]
    for name, value in attributes.items():
        name = name.rstrip("_").replace("_", "-")  # noqa: PLW2901
        if value is True:
            words.append(name)
        elif value is not False:
            words.append(f'{name}="{escape(value)}"')
    begin = f"<{' '.join(words)}>"
    return Html(begin if tag in VOID else f"{begin}{joined(*content)}</{tag}>")


def joined(*content: str) -> Html:
    """Return texts and elements one after the other."""
    return Html("".join(part if isinstance(part, Html) else escape(part) for part in content))
