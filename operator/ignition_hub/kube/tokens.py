"""Whom a token belongs to, as the API server's review of it says. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from ignition_hub.kube.resources import Object


@dataclass(frozen=True, slots=True)
class TokenUser:
    """Who a token belongs to, in the words of the API server."""

    username: str
    uid: str
    groups: tuple[str, ...]
    extra: Mapping[str, tuple[str, ...]]
    namespace: str | None
    """Namespace of the ServiceAccount; None for other users."""
    service_account: str | None
    pod_name: str | None
    """The pod the token is bound to; None for tokens that are not."""
    pod_uid: str | None
    node_name: str | None
    """The node that pod runs on."""


def token_user(status: Object, audience: str) -> TokenUser | None:
    """Read a TokenReview's status; None unless it is authenticated, for ``audience`` where one is named."""
    is_meant = not audience or audience in (status.get("audiences") or [])
    if not status.get("authenticated") or not is_meant:
        return None
    user = status.get("user") or {}
    username = user.get("username") or ""
    account = username.split(":") if username.startswith("system:serviceaccount:") else []
    extra = {key: tuple(values) for key, values in (user.get("extra") or {}).items()}
    return TokenUser(
        username=username,
        uid=user.get("uid") or "",
        groups=tuple(user.get("groups") or ()),
        extra=extra,
        namespace=account[2] if len(account) == 4 else None,
        service_account=account[3] if len(account) == 4 else None,
        pod_name=_first(extra, "authentication.kubernetes.io/pod-name"),
        pod_uid=_first(extra, "authentication.kubernetes.io/pod-uid"),
        node_name=_first(extra, "authentication.kubernetes.io/node-name"),
    )


def _first(extra: Mapping[str, tuple[str, ...]], key: str) -> str | None:
    return next(iter(extra.get(key, ())), None)
