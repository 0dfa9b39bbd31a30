"""
What a pod asks for, as far as GPUs go: cards, MIG slices, and claims to devices of a DRA driver.

Pure, read from the pod as the API server has it. ``placement`` finds nodes for it, ``inventory`` the GPU that
it got there. Only the containers that get engines count: what a sidecar computes on is its own.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.engine.pod_annotations import ANNOTATION_CONTAINERS, read_containers

CARD = re.compile(r"nvidia\.com/gpu(\.shared)?")
"""The resource of whole cards, and with the strategy ``single`` of slices; renamed where it is shared."""
SLICE = re.compile(r"nvidia\.com/mig-(?P<profile>.+?)(\.shared)?")
"""The resource of a MIG profile with the strategy ``mixed``; a profile's ``+`` is a ``.`` here."""


@dataclass(frozen=True, slots=True, order=True)
class ClaimedRequest:
    """A request of a ResourceClaim of the pod's namespace; empty for all of its requests."""

    claim: str
    request: str = ""

    def names(self, result: str) -> bool:
        """Tell whether an allocation result is for this request: ``gpu``, or ``gpu/first`` of its choices."""
        return self.request in ("", result, result.partition("/")[0])


@dataclass(frozen=True, slots=True)
class PodRequest:
    """
    The GPUs a pod asks for; nothing of all for a pod that asks for none.

    ``profiles`` are MIG profiles as resources spell them (``1g.10gb.me``). ``has_claims`` tells that the pod
    names claims, ``claims`` those whose objects are known: a template's is made after the pod.
    """

    cards: bool = False
    profiles: frozenset[str] = frozenset()
    claims: frozenset[ClaimedRequest] = frozenset()
    has_claims: bool = False

    @property
    def claims_alone(self) -> bool:
        """Whether what the pod claims is all that may be a GPU: beside cards or slices it need not be one."""
        return self.has_claims and not (self.cards or self.profiles)

    @property
    def is_empty(self) -> bool:
        """Whether the pod asks for no GPU."""
        return not (self.cards or self.profiles or self.has_claims)


def request_of(pod: Mapping[str, Any]) -> PodRequest:
    """Return what the containers of ``pod`` that get engines ask for."""
    chosen = _chosen(pod)
    mapped = _backed_by_claims(pod, chosen)
    resources = {name for container in chosen for name in _resources(container)} - set(mapped)
    used = [use for container in chosen for use in (container.get("resources") or {}).get("claims") or ()]
    named = _claims_by_name(pod)
    slices = (SLICE.fullmatch(name) for name in resources)
    claims = {ClaimedRequest(named[use["name"]], use.get("request") or "") for use in used
              if use.get("name") in named}  # fmt: skip
    return PodRequest(
        cards=any(CARD.fullmatch(name) for name in resources),
        profiles=frozenset(found["profile"] for found in slices if found),
        claims=frozenset(claims | set(mapped.values())),
        has_claims=bool(used or mapped),
    )


def _chosen(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the containers that get engines: those that are named, else all but init containers."""
    spec = pod["spec"]
    text = (pod["metadata"].get("annotations") or {}).get(ANNOTATION_CONTAINERS.name)
    if not isinstance(text, str):
        return list(spec.get("containers") or ())
    names = read_containers(text)
    return [
        container
        for container in (*(spec.get("containers") or ()), *(spec.get("initContainers") or ()))
        if container.get("name") in names
    ]


def _resources(container: Mapping[str, Any]) -> Iterable[str]:
    resources = container.get("resources") or {}
    amounts = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    return (name for name, amount in amounts.items() if str(amount) != "0")


def _claims_by_name(pod: Mapping[str, Any]) -> dict[str, str]:
    """Return the object of every claim that the pod names, where there is one yet."""
    written = {
        one.get("name"): one.get("resourceClaimName") for one in pod["spec"].get("resourceClaims") or ()
    }
    status = pod.get("status") or {}
    made = {
        one.get("name"): one.get("resourceClaimName") for one in status.get("resourceClaimStatuses") or ()
    }
    return {
        name: claim for name, claim in {**made, **{k: v for k, v in written.items() if v}}.items() if claim
    }


def _backed_by_claims(
    pod: Mapping[str, Any], chosen: Iterable[Mapping[str, Any]]
) -> dict[str, ClaimedRequest]:
    """Return the resources that the scheduler got from a DRA driver, each with its claim (KEP 5004)."""
    made = (pod.get("status") or {}).get("extendedResourceClaimStatus") or {}
    names = {container.get("name") for container in chosen}
    return {
        one["resourceName"]: ClaimedRequest(made["resourceClaimName"], one.get("requestName") or "")
        for one in made.get("requestMappings") or ()
        if one.get("containerName") in names
    }
