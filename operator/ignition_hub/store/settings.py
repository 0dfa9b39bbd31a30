"""
Where the bucket is and how to sign for it: an EngineStore and its Secret, read once.

The Secret lives in the release namespace and is named by the platform team's cluster-scoped EngineStore, so
no tenant ever chooses an endpoint or a credential.
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ignition_hub.engine.names import ANNOTATION_DEFAULT_STORE
from ignition_hub.engine.store_findings import CONDITIONAL_WRITES, BucketPlace
from ignition_hub.store.errors import SecretUnusable, StoreMisconfigured

DEFAULT_REGION = "us-east-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """One bucket, and the credentials that never leave its endpoint."""

    endpoint: str
    bucket: str
    access_key: str
    secret_key: str = field(repr=False)
    region: str = DEFAULT_REGION
    prefix: str = ""
    session_token: str | None = field(default=None, repr=False)


def default_store(stores: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the EngineStore the hub uses; raise StoreMisconfigured when none or several could be meant."""
    live = [store for store in stores if not store["metadata"].get("deletionTimestamp")]
    marked = [store for store in live if _is_marked(store)]
    chosen = marked or live
    if len(chosen) == 1:
        return chosen[0]
    if not chosen:
        raise StoreMisconfigured("no EngineStore exists", remedy="apply an EngineStore with the bucket")
    names = ", ".join(sorted(store["metadata"]["name"] for store in chosen))
    raise StoreMisconfigured(
        f"{len(chosen)} EngineStores could be the default: {names}",
        remedy=f"annotate exactly one of them with {ANNOTATION_DEFAULT_STORE}: 'true'",
    )


def place_of(store: Mapping[str, Any]) -> BucketPlace:
    """Return which bucket an EngineStore names, without credentials."""
    s3 = store["spec"]["s3"]
    region, prefix = s3.get("region") or DEFAULT_REGION, (s3.get("prefix") or "").strip("/")
    return BucketPlace(s3["endpoint"], region, s3["bucket"], prefix)


def is_told_unconditional(store: Mapping[str, Any]) -> bool:
    """Tell whether the status of an EngineStore says of its newest spec that conditional writes fail."""
    told = (store.get("status") or {}).get("conditions") or ()
    generation = store["metadata"].get("generation")
    return any(
        (one["type"], one["status"], one.get("observedGeneration"))
        == (CONDITIONAL_WRITES, "False", generation)
        for one in told
    )


def credentials_secret_name(store: Mapping[str, Any]) -> str:
    """Return the name of the Secret, in the release namespace, that an EngineStore signs with."""
    name = store["spec"]["s3"].get("credentialsSecretRef", {}).get("name")
    if not name:
        raise SecretUnusable(
            f"EngineStore {store['metadata']['name']} has no credentials",
            remedy="set spec.s3.credentialsSecretRef.name",
        )
    return str(name)


def settings_of(store: Mapping[str, Any], secret: Mapping[str, Any] | None) -> StoreSettings:
    """Return the settings of an EngineStore with its Secret; raise SecretUnusable naming what lacks."""
    place, secret_name = place_of(store), credentials_secret_name(store)
    if secret is None:
        raise SecretUnusable(
            f"Secret {secret_name} of EngineStore {store['metadata']['name']} does not exist",
            remedy="create it in the namespace of the hub with the keys accessKey and secretKey",
        )
    return StoreSettings(
        endpoint=place.endpoint,
        region=place.region,
        bucket=place.bucket,
        prefix=place.prefix,
        access_key=_secret_value(secret, secret_name, "accessKey"),
        secret_key=_secret_value(secret, secret_name, "secretKey"),
        session_token=_secret_value(secret, secret_name, "sessionToken", required=False) or None,
    )


def _is_marked(store: Mapping[str, Any]) -> bool:
    return (store["metadata"].get("annotations") or {}).get(ANNOTATION_DEFAULT_STORE) == "true"


def _secret_value(secret: Mapping[str, Any], secret_name: str, key: str, *, required: bool = True) -> str:
    encoded = (secret.get("data") or {}).get(key)
    if not encoded:
        if not required:
            return ""
        raise SecretUnusable(
            f"Secret {secret_name} has no key {key}", remedy="it needs accessKey and secretKey"
        )
    try:
        return base64.b64decode(encoded, validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise SecretUnusable(
            f"key {key} of Secret {secret_name} is not base64 text", remedy="write it again"
        ) from error
