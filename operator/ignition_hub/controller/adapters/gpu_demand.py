"""
Pods that run with engines, and the GPUs they run on: what a BuildPool with ``spec.autoBuild`` looks at.

Nothing is kept of any until there is such a pool. Which GPU a pod has is ``inventory``'s to say, as where the
gateway hands engines out; here its four kinds of object are at hand.
"""

import asyncio
from collections import defaultdict
from typing import Any

from ignition_hub.compatibility.devices import Allotted, SliceView, allotted, named_devices, slice_view
from ignition_hub.compatibility.inventory import Belief, NodeFacts, believed, node_facts
from ignition_hub.compatibility.pod_request import PodRequest, request_of
from ignition_hub.controller.adapters.object_cache import Mirror, Name, is_going, name_of
from ignition_hub.controller.adapters.pod_cache import engines_named_by
from ignition_hub.controller.policy.views import Need
from ignition_hub.kube import Object

ENDED = frozenset({"Succeeded", "Failed"})


class Nodes(Mirror):
    """Nodes, reduced to what tells of their GPUs."""

    def facts_of(self, name: str) -> NodeFacts | None:
        """Return what is known of a node; None for one that is not there."""
        node = self.get("", name)
        return node["facts"] if node is not None else None

    def _kept(self, body: Object) -> Object:
        return {"metadata": _identity(body), "facts": node_facts(body)}


class Claims(Mirror):
    """ResourceClaims, reduced to the GPUs that they were given."""

    def _kept(self, body: Object) -> Object:
        is_allocated = bool((body.get("status") or {}).get("allocation"))
        return {"metadata": _identity(body), "allotted": allotted(body) if is_allocated else None}

    def given_to(self, namespace: str, asked: PodRequest) -> list[Allotted] | None:
        """Return the GPUs of the claims that a pod asks by; None while one is not known or not allocated."""
        bodies = [(one, self.get(namespace, one.claim)) for one in sorted(asked.claims)]
        if not bodies or any(body is None or body["allotted"] is None for _, body in bodies):
            return None
        return [one for claim, body in bodies if body for one in body["allotted"] if claim.names(one.request)]


class Slices(Mirror):
    """ResourceSlices, reduced to their GPUs."""

    def view_of(self, name: str) -> SliceView | None:
        """Return the GPUs of one; None for one of another driver, or that is not there."""
        body = self.get("", name)
        return body["view"] if body is not None else None

    def views(self) -> list[SliceView | None]:
        """Return the GPUs of each."""
        return [body["view"] for body in self]

    def _kept(self, body: Object) -> Object:
        return {"metadata": _identity(body), "view": slice_view(body)}


class PlacedPods(Mirror):
    """Pods with the label ``ignitionhub.io/inject``, found by node and by engine once they have a node."""

    def __init__(self) -> None:
        super().__init__()
        self._by_engine: defaultdict[Name, dict[Name, Object]] = defaultdict(dict)
        self._by_node: defaultdict[str, dict[Name, Object]] = defaultdict(dict)
        self._by_claim: defaultdict[Name, dict[Name, Object]] = defaultdict(dict)

    def of_engine(self, namespace: str, engine: str) -> list[Object]:
        """Return the placed pods that name an engine of their namespace."""
        return list(self._by_engine.get((namespace, engine), {}).values())

    def on(self, node: str) -> list[Object]:
        """Return the placed pods of a node."""
        return list(self._by_node.get(node, {}).values())

    def with_claim(self, namespace: str, claim: str) -> list[Object]:
        """Return the placed pods that ask by a claim."""
        return list(self._by_claim.get((namespace, claim), {}).values())

    def _kept(self, body: Object) -> Object:
        """Keep none of its environment, which may hold secrets."""
        has_ended = (body.get("status") or {}).get("phase") in ENDED or is_going(body)
        return {
            "metadata": _identity(body),
            "engines": engines_named_by(body),
            "node": "" if has_ended else body["spec"].get("nodeName") or "",
            "asked": request_of(body),
        }

    def _enter(self, body: Object) -> None:
        if not body["node"]:
            return
        self._by_node[body["node"]][name_of(body)] = body
        namespace = body["metadata"]["namespace"]
        for engine in body["engines"]:
            self._by_engine[namespace, engine][name_of(body)] = body
        for one in body["asked"].claims:
            self._by_claim[namespace, one.claim][name_of(body)] = body

    def _leave(self, body: Object) -> None:
        for one in body["asked"].claims:
            _take_out(self._by_claim, (body["metadata"]["namespace"], one.claim), name_of(body))
        _take_out(self._by_node, body["node"], name_of(body))
        for engine in body["engines"]:
            _take_out(self._by_engine, (body["metadata"]["namespace"], engine), name_of(body))


class GpuDemand:
    """All kinds: ``wanted`` is set once a pool asks for them, ``is_known`` once they were listed."""

    def __init__(self) -> None:
        self.pods, self.nodes = PlacedPods(), Nodes()
        self.claims, self.slices = Claims(), Slices()
        self.wanted = asyncio.Event()
        self.is_known = False

    def needs_of(self, namespace: str, engine: str) -> list[Need] | None:
        """Return for each GPU that pods of an engine have the first pod by name; None: not known yet."""
        if not self.is_known:
            return None
        needs: dict[Any, Need] = {}
        beliefs: dict[tuple[str, PodRequest], Belief | None] = {}
        for pod in sorted(self.pods.of_engine(namespace, engine), key=name_of):
            place = pod["node"], pod["asked"]
            if place not in beliefs:
                beliefs[place] = self._belief(namespace, *place)
            belief, metadata = beliefs[place], pod["metadata"]
            if belief is not None and belief.gpu is not None:
                need = Need(metadata["name"], metadata["uid"], pod["node"], belief.gpu)
                needs.setdefault(belief.gpu, need)
        return list(needs.values())

    def engines_on(self, node: str) -> set[Name]:
        """Return the engines that pods of a node name."""
        return {
            (pod["metadata"]["namespace"], engine) for pod in self.pods.on(node) for engine in pod["engines"]
        }

    def _belief(self, namespace: str, node: str, asked: PodRequest) -> Belief | None:
        facts = self.nodes.facts_of(node)
        given = self.claims.given_to(namespace, asked) if asked.has_claims else []
        if facts is None or given is None:
            return None
        return believed(facts, asked, named_devices(given, self.slices.views() if given else ()))


def _identity(body: Object) -> Object:
    names = ("namespace", "name", "uid", "resourceVersion")
    return {name: body["metadata"][name] for name in names if name in body["metadata"]}


def _take_out(index: defaultdict[Any, dict[Name, Object]], key: Any, name: Name) -> None:
    index[key].pop(name, None)
    if not index[key]:
        del index[key]
