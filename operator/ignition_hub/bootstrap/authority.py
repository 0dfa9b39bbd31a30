"""
Give the authority's certificate to those who need it: builders, by ConfigMap, and the API server, by webhook.

The chart cannot: a tool that only renders it never sees the certificate.
"""

import logging
from base64 import b64encode
from typing import Any

from ignition_hub.bootstrap.objects import CONFIG_MAPS, publish
from ignition_hub.engine.names import AUTHORITY_CONFIG_MAP
from ignition_hub.kube import Kube, Object, Resource

WEBHOOKS = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "mutatingwebhookconfigurations",
    namespaced=False,
    kind="MutatingWebhookConfiguration",
)

log = logging.getLogger(__name__)


async def publish_authority(kube: Kube, *, namespace: str, build_namespace: str, webhook: str) -> None:
    """
    Publish the certificates of ``namespace`` in ``build_namespace``, and have the API server use them.

    ValueError when the ConfigMap or the webhook does not exist.
    """
    found = await _existing(kube, CONFIG_MAPS, AUTHORITY_CONFIG_MAP, namespace)
    bundle = str((found.get("data") or {}).get("ca.crt", ""))
    if not bundle:
        raise ValueError(f"ConfigMap {AUTHORITY_CONFIG_MAP} in namespace {namespace} has no ca.crt")
    await publish(kube, bundle, build_namespace)
    await _trust(kube, await _existing(kube, WEBHOOKS, webhook), bundle)


async def _trust(kube: Kube, configuration: Object, bundle: str) -> None:
    name, version = (configuration["metadata"][key] for key in ("name", "resourceVersion"))
    hooks = verified_with(configuration["webhooks"], b64encode(bundle.encode()).decode())
    if hooks != configuration["webhooks"]:
        # A merge patch replaces lists whole, so it must be about the version that was read.
        patch = {"metadata": {"resourceVersion": version}, "webhooks": hooks}
        await kube.merge_patch(WEBHOOKS, name, patch)
        log.info("the webhook is verified with another authority", extra={"webhook": name})


def verified_with(webhooks: list[dict[str, Any]], bundle: str) -> list[dict[str, Any]]:
    """Return ``webhooks`` with ``bundle`` (base64) as what their service is verified with."""
    return [hook | {"clientConfig": hook["clientConfig"] | {"caBundle": bundle}} for hook in webhooks]


async def _existing(kube: Kube, resource: Resource, name: str, namespace: str | None = None) -> Object:
    found = await kube.get(resource, name, namespace)
    if found is None:
        place = f" in namespace {namespace}" if namespace else ""
        raise ValueError(f"{resource.kind} {name}{place} does not exist")
    return found
