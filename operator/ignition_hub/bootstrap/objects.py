"""The Secrets and the ConfigMap of bootstrapping, as documents, and how they are written."""

from base64 import b64decode, b64encode
from collections.abc import Mapping

from ignition_hub.bootstrap.material import KeyPair
from ignition_hub.engine.names import AUTHORITY_CONFIG_MAP, LABEL_MANAGED_BY, MANAGED_BY
from ignition_hub.kube import SECRETS, Conflict, Kube, Object, Resource

CONFIG_MAPS = Resource("", "v1", "configmaps", namespaced=True, kind="ConfigMap")

LABELS = {"app.kubernetes.io/part-of": "ignition-hub", LABEL_MANAGED_BY: MANAGED_BY}
KEEP = {"helm.sh/resource-policy": "keep"}
"""For Helm and Argo CD, should a chart ever render the object: it outlives the release."""


def secret(name: str, data: Mapping[str, bytes], kind: str = "Opaque") -> Object:
    """Return a Secret."""
    encoded = {key: b64encode(value).decode() for key, value in data.items()}
    return {"metadata": _metadata(name), "type": kind, "data": encoded}


def tls_secret(name: str, pair: KeyPair, authority: bytes | None = None) -> Object:
    """Return a Secret of the type ``kubernetes.io/tls``; ``ca.crt`` is ``authority`` (PEM), where given."""
    data = {"tls.crt": pair.certificate, "tls.key": pair.key}
    return secret(name, data | ({"ca.crt": authority} if authority else {}), "kubernetes.io/tls")


def config_map(name: str, data: Mapping[str, str]) -> Object:
    """Return a ConfigMap."""
    return {"metadata": _metadata(name), "data": dict(data)}


def content(found: Object, key: str) -> bytes:
    """Return what a Secret has under ``key``; empty when it has no such key."""
    return b64decode((found.get("data") or {}).get(key, ""))


async def create_if_absent(kube: Kube, body: Object, namespace: str, resource: Resource = SECRETS) -> bool:
    """Create an object; tell whether it was created here. Of two callers at once, one creates it."""
    try:
        await kube.create(resource, body, namespace)
    except Conflict as error:
        if error.reason != "AlreadyExists":
            raise
        return False
    return True


async def publish(kube: Kube, bundle: str, namespace: str) -> None:
    """Give a namespace the certificates (PEM) that the gateway is verified with."""
    body = config_map(AUTHORITY_CONFIG_MAP, {"ca.crt": bundle})
    if await create_if_absent(kube, body, namespace, CONFIG_MAPS):
        return
    # Patched without reading: the certificates are all that the object is for.
    await kube.merge_patch(CONFIG_MAPS, AUTHORITY_CONFIG_MAP, {"data": body["data"]}, namespace)


def _metadata(name: str) -> Object:
    return {"name": name, "labels": LABELS, "annotations": KEEP}
