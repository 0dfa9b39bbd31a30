"""
One spelling for a GPU product, whoever names it: a node label, CUDA, NVML, a ResourceSlice or a resource.

It is that of GPU Feature Discovery v0.20.0, which everything else is compared with. ``gpus`` lists products
in it, ``device`` brings what the driver says into it.
"""

import re
from functools import lru_cache

SHARED = "-SHARED"
"""What feature discovery puts behind the product of a GPU that is time-sliced or under MPS."""
MIG_INVALID = "-MIG-INVALID"
"""What it puts there with the strategy ``single``, when the GPUs of a node are not cut alike."""
LABEL_CHARACTERS = 63
"""The longest value of a label. Node Feature Discovery leaves a longer one out."""

_MIG = re.compile(r"[ -]MIG[ -](?P<profile>\S+)$")
_DROPPED = re.compile(r"[^A-Za-z0-9\-_. ]")


def product_of(name: str, profile: str | None = None) -> str:
    """
    Return a product as its label spells it, without ``-SHARED``.

    ``name`` is a label, or the driver's own (``NVIDIA H100 80GB HBM3 MIG 1g.10gb+me``); ``profile`` is that
    of a slice whose name does not tell it, as in a ResourceSlice. A slice is a product of its own.
    """
    card, found = split(name)
    cut = profile or found
    return f"{card}-MIG-{_spelt(cut.replace('+', '.'))}" if cut else card


# The thousands of nodes of a cluster name few products.
@lru_cache(maxsize=1024)
def split(product: str) -> tuple[str, str | None]:
    """Return the card, spelt as a label, and the MIG profile as it was written; None for a whole card."""
    plain = product.removesuffix(SHARED)
    found = _MIG.search(plain)
    return (_spelt(plain[: found.start()]), found["profile"]) if found else (_spelt(plain), None)


def _spelt(text: str) -> str:
    return "-".join(_DROPPED.sub("", text).split())
