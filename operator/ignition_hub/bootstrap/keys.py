"""
Create the Secrets that do not exist yet, before the hub starts.

A Secret that exists is never changed, with one exception: a server certificate that another authority signed,
which no client would accept.
"""

import logging
from dataclasses import dataclass
from datetime import datetime

from ignition_hub.bootstrap import material
from ignition_hub.bootstrap.material import KeyPair
from ignition_hub.bootstrap.objects import content, create_if_absent, publish, secret, tls_secret
from ignition_hub.kube import SECRETS, Kube, Object

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The names of the Secrets to create; empty for one that is not the chart's to make."""

    namespace: str
    signing_key: str = ""
    store_keys: str = ""
    authority: str = ""
    certificate: str = ""
    """The gateway's certificate, signed by ``authority``."""
    hosts: tuple[str, ...] = ()
    """What the gateway is called: DNS names and IP addresses."""
    node_cache_certificate: str = ""
    """The certificate of the node cache, signed by ``authority``."""
    node_cache_host: str = ""

    @property
    def certificates(self) -> list[tuple[str, tuple[str, ...]]]:
        """The Secrets of the certificates that are wanted, and what their servers are called."""
        all_of_them = (
            (self.certificate, self.hosts),
            (self.node_cache_certificate, (self.node_cache_host,)),
        )
        return [(name, hosts) for name, hosts in all_of_them if name]


async def make_missing_keys(kube: Kube, wanted: Wanted, now: datetime) -> None:
    """Create each Secret of ``wanted`` that does not exist, and publish the authority's certificate."""
    if wanted.signing_key:
        await _create(kube, secret(wanted.signing_key, {"signing.key": material.signing_key()}), wanted)
    if wanted.store_keys:
        await _create(kube, secret(wanted.store_keys, material.store_keys()), wanted)
    if wanted.authority:
        authority = await _authority(kube, wanted, now)
        for name, hosts in wanted.certificates:
            pair = material.server_certificate(authority, hosts, now)
            await _make_certificate(kube, wanted, tls_secret(name, pair, authority.certificate))
        await publish(kube, authority.certificate.decode(), wanted.namespace)


async def _authority(kube: Kube, wanted: Wanted, now: datetime) -> KeyPair:
    """Return the authority that is in the cluster, made now or by an earlier run."""
    await _create(kube, tls_secret(wanted.authority, material.authority(now)), wanted)
    found = await _existing(kube, wanted.authority, wanted.namespace)
    pair = KeyPair(content(found, "tls.crt"), content(found, "tls.key"))
    if not (pair.certificate and pair.key):
        raise ValueError(
            f"Secret {wanted.authority} in namespace {wanted.namespace} has no tls.crt or no tls.key; "
            "restore it, or delete it to have another authority made"
        )
    return pair


async def _make_certificate(kube: Kube, wanted: Wanted, made: Object) -> None:
    name = made["metadata"]["name"]
    if await _create(kube, made, wanted):
        return
    found = await _existing(kube, name, wanted.namespace)
    if content(found, "ca.crt") == content(made, "ca.crt"):
        return
    log.info("replacing a certificate of another authority", extra={"secret": name})
    # With the resourceVersion that was read: of two replacements at once, one is refused.
    await kube.replace(SECRETS, name, found | {"data": made["data"]}, wanted.namespace)


async def _create(kube: Kube, body: Object, wanted: Wanted) -> bool:
    created = await create_if_absent(kube, body, wanted.namespace)
    log.info("created" if created else "exists already", extra={"secret": body["metadata"]["name"]})
    return created


async def _existing(kube: Kube, name: str, namespace: str) -> Object:
    found = await kube.get(SECRETS, name, namespace)
    if found is None:
        raise ValueError(f"Secret {name} in namespace {namespace} was deleted while it was being read")
    return found
