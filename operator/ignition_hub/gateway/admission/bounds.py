"""
How much of a pod admission looks at: checked before any work is done that grows with it.

A mutating webhook sees a pod before the API server validates it, and any pod of the cluster can call this
one. Pure.
"""

from collections.abc import Sequence
from typing import Any

from ignition_hub.engine.errors import Reason, RequestError

MOST_CONTAINERS = 256
"""The most containers of a pod that get engines: each needs a mount, and a variable for every engine."""
MOST_TERMS = 64
"""The most node selector terms that a pod may require."""
MOST_COMBINED_TERMS = 256
"""The most node selector terms it may have after each was combined with those of its engines."""
PATCH_BYTES = 1024 * 1024
"""The largest patch: etcd stores objects of at most 1.5 MiB."""
MESSAGE_CHARACTERS = 1024
"""The longest refusal."""
UID_CHARACTERS = 128
"""The longest uid of a review; the API server's have 36."""


class PodTooLarge(RequestError):
    """A pod has more of something than is accepted; the message says how many, and how many would be."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(Reason.InvalidRequest, what, remedy)


def require_few_containers(chosen: Sequence[Any]) -> None:
    """Raise PodTooLarge unless so many containers can be given engines."""
    if len(chosen) > MOST_CONTAINERS:
        raise PodTooLarge(
            f"{len(chosen)} containers of the pod would get engines; at most {MOST_CONTAINERS} can",
            "name those that load engines in the annotation ignitionhub.io/containers",
        )


def require_few_terms(theirs: int, ours: int, combined: int = 0) -> None:
    """
    Raise PodTooLarge unless ``theirs`` node selector terms can be combined with each of ``ours``.

    ``combined`` are as many terms that were combined before, and stay as they are.
    """
    most = min(MOST_TERMS, (MOST_COMBINED_TERMS - combined) // max(ours, 1))
    if theirs > most:
        raise PodTooLarge(
            f"spec.affinity.nodeAffinity requires one of {theirs} node selector terms",
            f"with these engines at most {most} are accepted; one term can list several values",
        )


def require_few_combined(terms: int) -> None:
    """Raise PodTooLarge for more node selector terms than any pod has, combined or not: each is looked at."""
    if terms > MOST_COMBINED_TERMS:
        raise PodTooLarge(
            f"spec.affinity.nodeAffinity requires one of {terms} node selector terms",
            f"at most {MOST_TERMS} are accepted; one term can list several values",
        )


def require_small_patch(size: int) -> None:
    """Raise PodTooLarge unless a patch of ``size`` bytes is accepted."""
    if size > PATCH_BYTES:
        raise PodTooLarge(
            f"the pod would grow by {size} bytes; at most {PATCH_BYTES} are accepted",
            "give engines to fewer containers, or make its node affinity smaller",
        )
