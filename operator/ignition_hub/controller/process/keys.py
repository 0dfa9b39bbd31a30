"""The keys of the queue: what one pass may be about."""

from typing import NamedTuple

from ignition_hub.kube import Object


class Key(NamedTuple):
    """
    What one pass is about: an ``engine``, a gated ``pod``, a ``pool``, a ``store``, ``jobs`` (deleting those
    that no engine needs), or the ``rollouts`` of a namespace.
    """

    kind: str
    namespace: str = ""
    name: str = ""


JOBS_KEY = Key("jobs")

PODS, ENGINES, PLATFORM, ROLLOUTS = "pods", "engines", "platform", "rollouts"


def engine_key(body: Object) -> Key:
    """Return the key of a TensorRTEngine."""
    return Key("engine", body["metadata"]["namespace"], body["metadata"]["name"])


def pod_key(body: Object) -> Key:
    """Return the key of a gated pod."""
    return Key("pod", body["metadata"]["namespace"], body["metadata"]["name"])


def pool_key(name: str) -> Key:
    """Return the key of a BuildPool."""
    return Key("pool", name=name)


def store_key(body: Object) -> Key:
    """Return the key of an EngineStore."""
    return Key("store", name=body["metadata"]["name"])


def rollouts_key(namespace: str) -> Key:
    """Return the key of the rollouts of a namespace, where one workload at a time is restarted."""
    return Key("rollouts", namespace)


def lane_of(key: Key) -> str:
    """Return whose workers a key waits for: of pods, engines, rollouts, or what the platform team has."""
    return {"pod": PODS, "engine": ENGINES, "rollouts": ROLLOUTS}.get(key.kind, PLATFORM)
