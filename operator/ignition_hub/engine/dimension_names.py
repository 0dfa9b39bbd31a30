"""
What the name of a free dimension says that it is: a batch, a length, or a size of its own.

The names are those that exporters and people give in ONNX models; the builder fills shorthand by them, and
the layouts of serving programs find the batch.
"""

import re
from collections.abc import Mapping

BATCH, LENGTH, NEITHER = "batch", "length", "neither"

_WORDS: Mapping[str, frozenset[str]] = {
    BATCH: frozenset({"batch", "batches", "batchsize", "bs", "bsz"}),
    LENGTH: frozenset(
        {
            "seq", "seqs", "seqlen", "sequence", "sequences", "length", "lengths", "len", "time", "times",
            "timestep", "timesteps", "step", "steps", "frame", "frames", "token", "tokens", "past", "t", "s",
            "l",
        }
    ),
    NEITHER: frozenset(
        {
            "height", "width", "h", "w", "hw", "channel", "channels", "c", "head", "heads", "layer", "layers",
            "direction", "directions", "hidden", "feature", "features", "embedding", "class", "classes",
        }
    ),
}  # fmt: skip
"""
What exporters and people write: Optimum (``batch_size``, ``past_decoder_sequence_length``, ``height``),
PyTorch's and Keras' pages (``N``, ``T``, ``H``), and dynamic_axes written by hand.
"""
DERIVED = re.compile(r"[+*]|//| [-/] |[a-z]\(", re.IGNORECASE)
"""In a name that comes of others in a way that is not known here: ``encoder_sequence_length / 2``."""
PERHAPS_BATCH = frozenset({"n", "b"})
"""The batch of a model that names none in full."""
NUMBERED = re.compile(r"unk__[0-9]+|DynamicDimension\.[0-9]+|[sud][0-9]+|dim_?[0-9]+|.*_dynamic_axes_[0-9]+")
"""Names that tf2onnx, Paddle2ONNX and PyTorch number; they say as little as none."""
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")


def said(name: str) -> str:
    """Return what a name says of a dimension, by the last word that says anything; empty where none does."""
    if NUMBERED.fullmatch(name):
        return ""
    found = (
        kind for word in reversed(_PARTS.findall(name)) for kind in _WORDS if word.lower() in _WORDS[kind]
    )
    return next(found, "")


def names_a_batch(name: str) -> bool:
    """Tell whether a dimension of this name, the first of everything that has it, is a batch."""
    return not DERIVED.search(name) and (said(name) == BATCH or name.lower() in PERHAPS_BATCH)
