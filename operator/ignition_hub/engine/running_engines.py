"""
What a pod runs, in its own words: the termination message of an init container that has fetched every engine.

The kubelet puts it into the pod's status, where the controller reads which engines a rollout would replace.
It decides nothing but that: a pod that says something else is restarted by its own Deployment, at most.
"""

from dataclasses import dataclass, field

from ignition_hub.engine.codec import MAY_BE_MISSING, Record

DIGITS = 16
"""Of an engine's SHA-256: sixteen engines have to fit into what the kubelet keeps of a container."""


@dataclass(frozen=True, slots=True)
class RunningEngines(Record):
    """
    The engines of one pod, and the GPU that they were chosen for.

    ``product`` is the exact one, a MIG slice included; it and ``platform`` are None where the node's labels
    do not tell, and ``platform`` where the pod or the gateway is of an earlier release. ``engines``
    are the first 16 hex digits of each SHA-256, in the order in which the pod names its engines; empty where
    it got the ONNX model, and ``fallback`` says why, for people.
    """

    arch: str
    product: str | None
    engines: tuple[str, ...]
    fallback: str | None = field(default=None, metadata=MAY_BE_MISSING)
    platform: str | None = field(default=None, metadata=MAY_BE_MISSING)
