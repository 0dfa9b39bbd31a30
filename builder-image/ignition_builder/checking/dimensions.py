"""
What the free dimensions of a model are: a batch, a length, or a size that no shorthand may guess.

The names say it first, wherever a dimension stands; only where they say nothing, its position does. ONNX and
TensorRT take two dimensions of one name for one size, so one name is one thing in all inputs.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ignition_builder.checking.arithmetic import Sum, sum_in
from ignition_builder.checking.signature import ModelInput

BATCH, LENGTH, NEITHER = "batch", "length", "neither"
DimensionKind = str | Sum
"""One of the three, or a sum of other dimensions."""

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
_CERTAIN = re.compile(r"[ +*]")
_DERIVED = re.compile(r"[+*]|//| [-/] |[a-z]\(", re.IGNORECASE)
"""In a name that comes of others in a way that is not known here: ``encoder_sequence_length / 2``."""
_PARTS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[0-9]+")
_PERHAPS = frozenset({"n", "b"})
"""The batch of a model that names none in full."""
_NUMBERED = re.compile(r"unk__[0-9]+|DynamicDimension\.[0-9]+|[sud][0-9]+|dim_?[0-9]+|.*_dynamic_axes_[0-9]+")
"""Names that tf2onnx, Paddle2ONNX and PyTorch number; they say as little as none."""


def said(name: str) -> str:
    """Return what a name says of a dimension, by the last word that says anything; empty where none does."""
    if _NUMBERED.fullmatch(name):
        return ""
    found = (
        kind for word in reversed(_PARTS.findall(name)) for kind in _WORDS if word.lower() in _WORDS[kind]
    )
    return next(found, "")


@dataclass(frozen=True, slots=True)
class FreeDimensions:
    """The free dimensions of a model's inputs; ``named`` says of each name what it is."""

    inputs: Sequence[ModelInput]
    named: Mapping[str, DimensionKind]

    @classmethod
    def of(cls, inputs: Sequence[ModelInput]) -> "FreeDimensions":
        """Read the names of the inputs' dimensions."""
        names = {size for item in inputs for size in _free(item) if size}
        batches = {name for name in names if said(name) == BATCH}
        batches = batches or {name for name in names if name.lower() in _PERHAPS}
        return cls(inputs, {name: _kind(name, names, batches, inputs) for name in sorted(names)})

    def kind(self, item: ModelInput, axis: int) -> DimensionKind:
        """Return what a free dimension is: by its name, else by where it stands."""
        if name := self.name(item, axis):
            return self.named[name]
        has_batch = any(self.named.get(size) == BATCH for size in _free(item))
        return BATCH if axis == 0 and not has_batch else LENGTH

    def name(self, item: ModelInput, axis: int) -> str:
        """Return the name of a dimension, empty where it has none."""
        size = (item.shape or ())[axis]
        return size if isinstance(size, str) else ""

    def kinds(self) -> Iterator[tuple[str, DimensionKind]]:
        """Yield every free dimension as a message names it, and what it is."""
        yield from self.named.items()
        for item in self.inputs:
            for axis, size in enumerate(item.shape or ()):
                if size == "":
                    yield f"dimension {axis} of {item.name}", self.kind(item, axis)


def _kind(name: str, names: set[str], batches: set[str], inputs: Sequence[ModelInput]) -> DimensionKind:
    if name in batches:
        return BATCH
    if found := _sum(name, names):
        return found
    if _DERIVED.search(name):
        return NEITHER
    if known := said(name):
        return known
    leads = any(item.shape and item.shape[0] == name and batches.isdisjoint(_free(item)) for item in inputs)
    return BATCH if leads and (not batches or _NUMBERED.fullmatch(name)) else LENGTH


def _sum(name: str, names: set[str]) -> Sum | None:
    """Read a name as a sum, unless it may as well be a word with a hyphen: ``batch-size``."""
    found = sum_in(name)
    is_certain = found is not None and (names.issuperset(found.names) or bool(_CERTAIN.search(name)))
    return found if is_certain else None


def _free(item: ModelInput) -> Iterator[str]:
    return (size for size in item.shape or () if isinstance(size, str))
