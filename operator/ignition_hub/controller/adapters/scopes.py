"""
Which objects of a kind the controller knows: a list and a watch of the same mirror ask for the same ones.
"""

from typing import NamedTuple

from ignition_hub import kube
from ignition_hub.engine.names import LABEL_INJECT, LABEL_MANAGED_BY, LABEL_ROLLS, LABEL_WAITING, MANAGED_BY


class Scope(NamedTuple):
    """A kind, and which objects of it: of one namespace or of all, and with which labels."""

    resource: kube.Resource
    namespace: str | None = None
    labels: str | None = None


ENGINES = Scope(kube.ENGINES)
POOLS = Scope(kube.POOLS)
STORES = Scope(kube.STORES)
NODES = Scope(kube.NODES)
CLAIMS = Scope(kube.RESOURCE_CLAIMS)
SLICES = Scope(kube.RESOURCE_SLICES)

WAITING_PODS = Scope(kube.PODS, labels=f"{LABEL_WAITING}=true")
ROLLING_PODS = Scope(kube.PODS, labels=f"{LABEL_ROLLS}=true")
PODS_WITH_ENGINES = Scope(kube.PODS, labels=f"{LABEL_INJECT}=true")


def our_jobs(namespace: str) -> Scope:
    """Return the builder Jobs of ``namespace``."""
    return Scope(kube.JOBS, namespace, f"{LABEL_MANAGED_BY}={MANAGED_BY}")
