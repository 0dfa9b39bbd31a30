"""
The GPUs that the author of a pod has chosen already, by a node selector or a node affinity.

Pure. Only what labels of GPUs say is read, as it would be of a node with just these. ``placement`` asks it,
because terms of another GPU added to these would leave no node at all.
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ignition_hub.compatibility.gpus import GFD_MAJOR, GFD_MINOR, GFD_PRODUCT, NodeGpu, labelled_gpu
from ignition_hub.compatibility.node_terms import Term
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT

LABELS = (LABEL_GPU_ARCH, LABEL_GPU_PRODUCT, GFD_MAJOR, GFD_MINOR, GFD_PRODUCT)
MOST_CHOICES = 256
"""Combinations of labels that are looked at, of all terms; a pod that leaves more has chosen no GPU."""


def pinned_gpus(selector: Mapping[str, Any], terms: Sequence[Term]) -> frozenset[NodeGpu] | None:
    """
    Return the GPUs that a pod's node selector and required terms leave; none where they exclude each other.

    None where they leave GPUs that are not told by label.
    """
    choices: list[dict[str, set[str]]] = []
    for term in terms or ({},):
        if (left := _choices_of(selector, term)) not in choices:
            choices.append(left)
    if sum(math.prod(map(len, values.values())) for values in choices) > MOST_CHOICES:
        return None
    gpus = [labelled_gpu(labels) for values in choices for labels in _combined(values)]
    known = frozenset(gpu for gpu in gpus if gpu is not None)
    return None if None in gpus else known


def _choices_of(selector: Mapping[str, Any], term: Term) -> dict[str, set[str]]:
    """Return the values that each label of a GPU may have; no labels where nothing is chosen."""
    values = {key: {selector[key]} for key in LABELS if isinstance(selector.get(key), str)}
    for one in term.get("matchExpressions") or ():
        if one.get("key") in LABELS and one.get("operator") == "In":
            wanted = set(one.get("values") or ())
            values[one["key"]] = values.get(one["key"], wanted) & wanted
    return values


def _combined(values: Mapping[str, set[str]]) -> Iterator[dict[str, str]]:
    for chosen in itertools.product(*values.values()):
        yield dict(zip(values, chosen, strict=True))
