"""
The Kubernetes API as a few verbs on plain dicts.

Read ``resources`` (which kinds, and where they live: building a request is pure), ``client`` (sending it:
every request has a deadline and passes a rate limiter) and ``reflector`` (what is read often is followed
instead). Around them: ``connection`` is log-in and HTTP, ``documents`` is JSON, ``pace`` that limiter,
``figures`` what passing it took, ``errors`` how every failure leaves, and ``tokens`` what a review says about
a caller. ``event_loop`` is what the processes run in that follow a cluster.
"""

from ignition_hub.kube.client import Kube
from ignition_hub.kube.errors import (
    Conflict,
    Expired,
    Forbidden,
    Invalid,
    KubeError,
    NotFound,
    Unavailable,
    error_of,
)
from ignition_hub.kube.pace import RateLimiter
from ignition_hub.kube.reflector import Follower, Reflector, WhereServed
from ignition_hub.kube.resources import (
    DAEMON_SETS,
    DEPLOYMENTS,
    ENGINES,
    EVENTS,
    JOBS,
    LEASES,
    NAMESPACES,
    NODES,
    PODS,
    POOLS,
    REPLICA_SETS,
    RESOURCE_CLAIMS,
    RESOURCE_SLICES,
    ROLLOUTS,
    SECRETS,
    STATEFUL_SETS,
    STORES,
    SUBJECT_ACCESS_REVIEWS,
    TOKEN_REVIEWS,
    Object,
    Resource,
    path_of,
)
from ignition_hub.kube.tokens import TokenUser, token_user

__all__ = [
    "DAEMON_SETS",
    "DEPLOYMENTS",
    "ENGINES",
    "EVENTS",
    "JOBS",
    "LEASES",
    "NAMESPACES",
    "NODES",
    "PODS",
    "POOLS",
    "REPLICA_SETS",
    "RESOURCE_CLAIMS",
    "RESOURCE_SLICES",
    "ROLLOUTS",
    "SECRETS",
    "STATEFUL_SETS",
    "STORES",
    "SUBJECT_ACCESS_REVIEWS",
    "TOKEN_REVIEWS",
    "Conflict",
    "Expired",
    "Follower",
    "Forbidden",
    "Invalid",
    "Kube",
    "KubeError",
    "NotFound",
    "Object",
    "RateLimiter",
    "Reflector",
    "Resource",
    "TokenUser",
    "Unavailable",
    "WhereServed",
    "error_of",
    "path_of",
    "token_user",
]
