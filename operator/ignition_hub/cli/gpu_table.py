"""
The GPUs of a cluster as the hub believes them: one row for each way in which a pod can get one.

Pure; ``gpus`` prints it. It asks what the gateway asks, so that a pod with that request is told the same.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ignition_hub.compatibility.devices import SliceView, slice_view
from ignition_hub.compatibility.inventory import CARDS, Belief, NodeFacts, believed, node_facts, profiles_of
from ignition_hub.compatibility.pod_request import PodRequest
from ignition_hub.engine.names import LABEL_GPU_ARCH, LABEL_GPU_PRODUCT

HEADER = ("NODE", "A POD WITH", "HAS", "MEMORY", "BECAUSE")


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuRow:
    """
    What a pod of ``node`` has that gets its GPU by ``request``.

    ``product`` and ``arch`` are None where they cannot be known; ``because`` is then why, and ``remedy`` what
    would tell. ``memory_bytes`` is that of the card or slice, None where nothing tells it.
    """

    node: str
    request: str
    arch: str | None
    product: str | None
    memory_bytes: int | None
    because: str
    remedy: str = ""

    @classmethod
    def of(cls, node: str, request: str, belief: Belief) -> "GpuRow":
        """Return the row of a belief."""
        gpu = belief.gpu
        return cls(
            node=node,
            request=request,
            arch=gpu.arch if gpu else None,
            product=gpu.exact_product if gpu else None,
            memory_bytes=gpu.memory_bytes if gpu else None,
            because=belief.doubt or belief.source,
            remedy=belief.remedy,
        )

    def to_json(self) -> dict[str, Any]:
        """Return the row as a document."""
        return asdict(self)

    @property
    def cells(self) -> tuple[str, ...]:
        """The row in words."""
        has = f"{self.product} ({self.arch})" if self.product else self.arch or "unknown"
        memory = f"{self.memory_bytes >> 20} MiB" if self.memory_bytes else "-"
        because = f"{self.because}; {self.remedy}" if self.remedy else self.because
        return self.node, self.request, has, memory, because


def rows_of(nodes: Iterable[Mapping[str, Any]], slices: Iterable[Mapping[str, Any]]) -> list[GpuRow]:
    """Return the rows of Nodes and ResourceSlices as the API server returns them; a node may have none."""
    by_node: dict[str, list[SliceView]] = {}
    for body in slices:
        if view := slice_view(body):
            by_node.setdefault(body["spec"].get("nodeName") or view.pool, []).append(view)
    return [
        row
        for body in sorted(nodes, key=lambda body: str(body["metadata"]["name"]))
        for row in _rows_of_node(body, by_node.get(body["metadata"]["name"], ()))
    ]


def table(rows: Sequence[GpuRow]) -> list[tuple[str, ...]]:
    """Return the rows in words, the heads first."""
    return [HEADER, *(row.cells for row in rows)]


def _rows_of_node(body: Mapping[str, Any], slices: Sequence[SliceView]) -> Iterator[GpuRow]:
    name, facts = body["metadata"]["name"], node_facts(body)
    for request, asked in _requests_on(facts):
        yield GpuRow.of(name, request, believed(facts, asked))
    newest = max((view.generation for view in slices), default=0)
    for view in slices:
        for device, gpu in sorted(view.gpus.items()) if view.generation == newest else ():
            belief = believed(facts, PodRequest(has_claims=True), {device: gpu})
            yield GpuRow.of(name, f"a claim to {device}", belief)


def _requests_on(facts: NodeFacts) -> Iterator[tuple[str, PodRequest]]:
    profiles = profiles_of(facts.labels)
    cards = [resource for resource in CARDS if facts.capacity.get(resource)]
    for resource in cards:
        yield resource, PodRequest(cards=True)
    for profile in profiles:
        yield f"nvidia.com/mig-{profile}", PodRequest(profiles=frozenset([profile]))
    told = any(key.startswith("nvidia.com/gpu.") for key in facts.labels)
    if not cards and not profiles and (told or {LABEL_GPU_ARCH, LABEL_GPU_PRODUCT} & facts.labels.keys()):
        yield "no request", PodRequest()
