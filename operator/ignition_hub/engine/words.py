"""
Words that a builder quotes out of tenants' models, before people of other namespaces read them.

They come twice: over the gateway, and as the termination message of a pod.
"""


def printable(text: str) -> str:
    """Return ``text`` without what would steer a terminal or break a document; line ends stay."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
