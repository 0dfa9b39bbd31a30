"""
The best engine for a pod that is whole: candidates are looked at one after another, the best first.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.compatibility.engine_choice import EngineNotReady, NoEngineForGPU
from ignition_hub.compatibility.inventory import Belief
from ignition_hub.compatibility.loading import Loading, sized
from ignition_hub.engine.errors import IgnitionError, NewerRelease
from ignition_hub.engine.manifest import Manifest
from ignition_hub.engine.quoting import quoted
from ignition_hub.engine.selection import REASON_CHARACTERS, PassedOver, Selection
from ignition_hub.gateway.artifacts.engine_query import EngineQuery, manifest_key_in
from ignition_hub.gateway.artifacts.verified_engines import VerifiedEngines
from ignition_hub.store.errors import AccessDenied, ManifestRefused

log = logging.getLogger(__name__)

MOST_TRIED = 4
"""How many engines are looked at for one request; each takes three requests to the store."""

PASSED_OVER = (ManifestRefused, NewerRelease, EngineNotReady, NoEngineForGPU, AccessDenied)
"""
What is wrong with one engine alone. A policy of the bucket may deny one object; where all are denied, or the
store is away, no pod gets a lesser engine for it.
"""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An engine that is whole and loads, how it does, and the better ones that are not handed out."""

    query: EngineQuery
    manifest: Manifest
    url: str
    fit: Loading
    passed_over: tuple[PassedOver, ...] = ()

    def explained(self, belief: Belief) -> Selection:
        """Return why it was chosen, for a GPU that is believed for the reason that ``belief`` names."""
        told_by = f"{belief.source} ({belief.doubt})" if belief.doubt else belief.source
        target, gpu = self.query.candidate.name, sized(self.query.gpu)
        return Selection(target, gpu, told_by, self.fit.message, self.passed_over)


async def locate(engines: VerifiedEngines, store: OpenStore, queries: Sequence[EngineQuery]) -> Chosen:
    """
    Return the best engine that is whole, with a URL; at least one query, the best first.

    One that is damaged, lost, denied or of a later release does not hide the next that loads on the same GPU.
    The error is the best's.
    """
    errors: list[IgnitionError] = []
    for wanted in queries[:MOST_TRIED]:
        try:
            claim = wanted.claim
            manifest_key = manifest_key_in(store, claim)
            manifest, url = await engines.get(store, manifest_key, claim.identity)
            if claim.has_seen_newer(manifest):
                # What is remembered may be of before the rebuild that the status knows of.
                manifest, url = await engines.get(store, manifest_key, claim.identity, again=True)
            fit = wanted.require(manifest)
        except PASSED_OVER as error:
            log.warning("target %s cannot be handed out: %s", wanted.candidate.name, error)
            errors.append(error)
        else:
            better = zip(queries, errors, strict=False)
            passed_over = tuple(_passed_over(one, error) for one, error in better)
            return Chosen(wanted, manifest, url, fit, passed_over)
    raise errors[0]


def _passed_over(wanted: EngineQuery, error: IgnitionError) -> PassedOver:
    return PassedOver(wanted.candidate.name, quoted(str(error), REASON_CHARACTERS))
