"""
What a TensorRTEngine asks of the pools, and what the pools offer, as the truth table takes it.

The controller and ``kubectl ignition plan`` both read here, so they cannot ask different questions.
"""

from collections.abc import Iterable

from ignition_hub.api.convert import options_of, pool_facts, verification_of
from ignition_hub.api.v1alpha1 import BuildPool, TensorRTEngine
from ignition_hub.compatibility.case import Ask, PoolFacts
from ignition_hub.engine.identity import Target


def ask_of(engine: TensorRTEngine, target: Target) -> Ask:
    """Return what one target of a fresh engine asks; what a status has pinned is the controller's."""
    return Ask(
        precision=engine.spec.precision,
        flavor=engine.spec.tensorrt.flavor,
        version_prefix=engine.spec.tensorrt.version,
        options=options_of(engine),
        target=target,
        verification=verification_of(engine),
    )


def offers_of(pools: Iterable[BuildPool]) -> list[PoolFacts]:
    """Return what the pools that stay can build, by name."""
    live = sorted(
        (pool for pool in pools if not pool.metadata.deletion_timestamp), key=lambda pool: pool.metadata.name
    )
    return [facts for pool in live for facts in pool_facts(pool)]
