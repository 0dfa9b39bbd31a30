"""
What the init container asks for: what one container of the pod asks for already.

Whatever a namespace demands of containers (``limits.cpu`` of a ResourceQuota, minimum, maximum and ratio of a
LimitRange) holds for a copy where it holds for the original. A Guaranteed pod stays Guaranteed, a BestEffort
pod BestEffort. Kubernetes counts the largest init container only, so the pod asks for no more than before.
LimitRanger fills in its defaults before webhooks are called: they are copied too. Pure.
"""

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal

from ignition_hub.api.quantities import amount_of
from ignition_hub.gateway.admission.json_patch import Json

COPIED = ("cpu", "memory", "ephemeral-storage")
"""No devices: the fetcher uses none, and a claim or a GPU is the container's own."""
LEAST_MEMORY = "128Mi"
"""The smallest memory limit that a fetcher is started with; it uses less than half."""
QUANTITY_CHARACTERS = 64
"""The longest quantity that is read; those of the API server have about twenty."""
REQUESTS, LIMITS = "requests", "limits"


def resources_like(containers: Sequence[Json]) -> Json:
    """Return what the container asks for that has enough memory for a fetcher and requests the most CPU."""
    asked = [resources_of(container) for container in containers]
    return with_enough_memory(max(asked, key=_fitness, default={}))


def resources_of(container: Json) -> Json:
    """Return the requests and limits of a container, as far as they are copied."""
    resources = container.get("resources") or {}
    kinds = {kind: copied(resources.get(kind) or {}) for kind in (REQUESTS, LIMITS)}
    return {kind: quantities for kind, quantities in kinds.items() if quantities}


def copied(quantities: Json) -> Json:
    """Return those quantities of a resource list that are copied."""
    return {name: quantities[name] for name in COPIED if name in quantities}


def with_others_resources(ours: Json, there: Json) -> Json:
    """Return ``ours`` and what a LimitRange filled in of resources that are not copied."""
    others = {
        kind: {name: quantity for name, quantity in (there.get(kind) or {}).items() if name not in COPIED}
        for kind in (REQUESTS, LIMITS)
    }
    kinds = {kind: {**others[kind], **ours.get(kind, {})} for kind in (REQUESTS, LIMITS)}
    return {kind: quantities for kind, quantities in kinds.items() if quantities}


def with_enough_memory(resources: Json) -> Json:
    """Raise a memory limit below ``LEAST_MEMORY``, and the request in proportion, as a LimitRange may ask."""
    limit, least = amount(resources, LIMITS, "memory"), amount_of(LEAST_MEMORY)
    if not limit or limit >= least:
        return resources
    raised = {**resources, LIMITS: {**resources[LIMITS], "memory": LEAST_MEMORY}}
    if request := amount(resources, REQUESTS, "memory"):
        share = (request * least / limit).to_integral_value(ROUND_CEILING)
        raised[REQUESTS] = {**resources[REQUESTS], "memory": LEAST_MEMORY if request == limit else str(share)}
    return raised


def amount(resources: Json, kind: str, name: str) -> Decimal | None:
    """Return a quantity, in CPUs or bytes; None where there is none, or none that can be read."""
    # Not validated yet: the API server refuses a pod for what is no quantity.
    quantity = str((resources.get(kind) or {}).get(name, ""))
    try:
        return amount_of(quantity) if len(quantity) <= QUANTITY_CHARACTERS else None
    except ValueError:
        return None


def _fitness(resources: Json) -> tuple[bool, Decimal, Decimal]:
    limit = amount(resources, LIMITS, "memory")
    cpu, memory = (_requested(resources, name) for name in ("cpu", "memory"))
    return not limit or limit >= amount_of(LEAST_MEMORY), cpu, memory


def _requested(resources: Json, name: str) -> Decimal:
    # A limit without a request is the request, as the API server's defaulting has it.
    return amount(resources, REQUESTS, name) or amount(resources, LIMITS, name) or Decimal(0)
