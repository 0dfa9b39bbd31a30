"""
Who is calling: the API server's word about the token, and never the caller's.

A builder is the pod of its token, mapped to the Job that owns it and the request on that Job, so it can read
and write its own engine only.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from ignition_hub.engine.errors import ContractError, NewerRelease, Reason
from ignition_hub.engine.identity import identity_of
from ignition_hub.engine.names import (
    ANNOTATION_REBUILD,
    ANNOTATION_REQUEST,
    AUDIENCE,
    BUILDER_CONTAINER,
    BUILDER_SERVICE_ACCOUNT,
    LABEL_JOB_NAME,
)
from ignition_hub.engine.naming import job_name
from ignition_hub.engine.request import BuildRequest
from ignition_hub.fair_turns import FairTurns
from ignition_hub.gateway.cluster.tokens import ForeignToken, TokenCheck, refused
from ignition_hub.gateway.errors import BuildNotFound, NotPermitted, TokenRejected
from ignition_hub.kube import JOBS, PODS, Kube, TokenUser
from ignition_hub.ttl_cache import TtlCache

REVIEW_SECONDS = 10.0
"""How long the API server's word about a token counts: the most a deleted pod's token can outlive it here."""

REMEMBERED = 4096
REVIEWS_PENDING = 1024
"""A thousand pods of a large Deployment ask within a second; more are sent away until later."""
REVIEWS_EACH = 16
"""Of one namespace at a time: one that sends many tokens waits for itself."""
TOKEN_CHARACTERS = 16_384
SEND = f"send a ServiceAccount token with the audience {AUDIENCE}"
ENDED_PHASES = frozenset({"Succeeded", "Failed"})
ENDED_CONDITIONS = frozenset({"Complete", "Failed"})


@dataclass(frozen=True, slots=True)
class Build:
    """The one build that a builder pod may speak about."""

    request: BuildRequest
    job_name: str
    job_uid: str
    builder_image: str | None
    """Digest of the image that really runs, from the kubelet; None until it has told."""
    rebuild: bool
    """The Job was made to replace an engine that is already published."""


class Callers:
    """Answers who is calling, with a short memory; ``reviews`` has a budget for tokens alone."""

    def __init__(self, kube: Kube, build_namespace: str, *, reviews: Kube | None = None) -> None:
        self._kube = kube
        self._reviews = reviews or kube
        self._tokens = TokenCheck(self._reviews)
        self._turns = FairTurns(
            "token reviews", most=REVIEWS_PENDING, each=REVIEWS_EACH, reason=Reason.GatewayUnavailable
        )
        self._build_namespace = build_namespace
        self._users: TtlCache[str, TokenUser | None] = TtlCache(seconds=REVIEW_SECONDS, size=REMEMBERED)
        self._builds: TtlCache[str, Build] = TtlCache(seconds=REVIEW_SECONDS, size=REMEMBERED)

    async def user_of(self, request: web.Request) -> TokenUser:
        """
        Return which ServiceAccount the bearer token belongs to; TokenRejected when it belongs to none.

        ForeignToken says that it may be one for the API server.
        """
        token = bearer_token(request.headers)
        user = await self._users.get(digest_of(token), lambda: self._review(token, request.remote or ""))
        if user is None:
            raise refused("the API server does not accept it", ForeignToken)
        return user

    async def require_token(self, request: web.Request) -> None:
        """
        Raise TokenRejected unless this cluster signed the bearer token for us, and it has not expired.

        The API server is not asked, so its pod may be gone: for what decides nothing. Only where a cluster
        does not publish its keys is the token reviewed.
        """
        if await self._tokens.claims_of(bearer_token(request.headers)) is None:
            await self.user_of(request)

    async def _review(self, token: str, address: str) -> TokenUser | None:
        claims = await self._tokens.claims_of(token)
        async with self._turns.one(claims.namespace if claims else address):
            return await self._reviews.review_token(token, AUDIENCE)

    async def build_of(self, user: TokenUser, *, fresh: bool = False) -> Build:
        """
        Return the build of a builder pod.

        Raise NotPermitted for everybody else and BuildNotFound when its Job is gone. ``fresh`` asks the
        API server now, for calls that make something durable.
        """
        if (user.namespace, user.service_account) != (self._build_namespace, BUILDER_SERVICE_ACCOUNT):
            raise NotPermitted(
                f"{user.username} is not a builder",
                f"builders are pods of {BUILDER_SERVICE_ACCOUNT} in {self._build_namespace}",
            )
        if not user.pod_name or not user.pod_uid:
            raise NotPermitted(
                "the token is not bound to a pod", "use the token projected into the builder pod"
            )
        if fresh:
            self._builds.forget(user.pod_uid)
        return await self._builds.get(user.pod_uid, lambda: self._look_up(user))

    async def _look_up(self, user: TokenUser) -> Build:
        pod = await self._kube.get(PODS, user.pod_name or "", self._build_namespace)
        if pod is None or pod["metadata"].get("uid") != user.pod_uid:
            raise BuildNotFound(f"pod {user.pod_name} no longer exists")
        owner = owning_job(pod)
        job = await self._kube.get(JOBS, owner["name"], self._build_namespace)
        if job is None or job["metadata"].get("uid") != owner["uid"]:
            raise BuildNotFound(f"Job {owner['name']} no longer exists; this build is no longer needed")
        if has_ended(pod, job):
            raise BuildNotFound(f"the build of pod {user.pod_name} has ended")
        return build_from(job, pod)


def digest_of(token: str) -> str:
    """Return what a memory knows a token by: the token itself must not lie around in this process."""
    return hashlib.sha256(token.encode()).hexdigest()


def bearer_token(headers: Mapping[str, str], remedy: str = SEND) -> str:
    """Return the token of an ``Authorization: Bearer`` header; ``remedy`` tells what to send instead."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    token = token.strip()
    # A header may hold any bytes; a token is ASCII, and as text what is not cannot even be hashed.
    if scheme.lower() != "bearer" or not token or len(token) > TOKEN_CHARACTERS or not token.isascii():
        raise TokenRejected("no bearer token", remedy)
    return token


def owning_job(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the owner reference of the Job that made a pod."""
    metadata = pod["metadata"]
    name = (metadata.get("labels") or {}).get(LABEL_JOB_NAME)
    for owner in metadata.get("ownerReferences") or []:
        if owner.get("kind") == "Job" and owner.get("controller") and owner.get("name") == name:
            return dict(owner)
    raise BuildNotFound(f"pod {metadata['name']} does not belong to a Job")


def has_ended(pod: Mapping[str, Any], job: Mapping[str, Any]) -> bool:
    """Tell whether nobody can speak for a build any more: its pod, with its token, stays for an hour."""
    phase = (pod.get("status") or {}).get("phase")
    conditions = (job.get("status") or {}).get("conditions") or []
    is_over = any(c.get("type") in ENDED_CONDITIONS and c.get("status") == "True" for c in conditions)
    return phase in ENDED_PHASES or is_over


def build_from(job: Mapping[str, Any], pod: Mapping[str, Any]) -> Build:
    """
    Return the build that a Job and its pod are about.

    Raise BuildNotFound when they are about none, NewerRelease when only a later gateway knows what is asked.
    """
    metadata = job["metadata"]
    annotations = metadata.get("annotations") or {}
    try:
        request = BuildRequest.from_json(json.loads(annotations[ANNOTATION_REQUEST]))
        identity = identity_of(request.inputs)
    except NewerRelease:
        raise
    except (KeyError, ValueError, RecursionError, ContractError) as error:
        raise BuildNotFound(f"Job {metadata['name']} has no build request: {error}") from error
    if identity != request.identity or job_name(identity) != metadata["name"]:
        raise BuildNotFound(f"Job {metadata['name']} has the request of another build")
    return Build(
        request=request,
        job_name=metadata["name"],
        job_uid=metadata["uid"],
        builder_image=_image_of(pod),
        rebuild=ANNOTATION_REBUILD in annotations,
    )


def _image_of(pod: Mapping[str, Any]) -> str | None:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    images = (s.get("imageID") for s in statuses if s.get("name") == BUILDER_CONTAINER)
    return next(images, None) or None
