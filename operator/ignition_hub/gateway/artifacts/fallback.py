"""
The ONNX model in place of an engine: which files a pod may read, at short-lived URLs. Synchronous.

Only what the namespace of the pod may read, as for a build, and only what its resource names a digest of: the
init container finds that digest in the bytes it received, so that nobody gets a model for knowing its digest.
"""

from collections.abc import Mapping
from typing import Any

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.fallback import HOW_TO_PIN, MODEL, FallbackAnswer, FallbackFile, digest_of
from ignition_hub.engine.names import MODEL_FILE
from ignition_hub.engine.sources import S3Location, parse_s3_uri, refusal
from ignition_hub.gateway.artifacts.grants import URL_SECONDS
from ignition_hub.gateway.errors import ModelTooLarge
from ignition_hub.store.bundles import Bundle, read_bundle
from ignition_hub.store.errors import ObjectMissing


def fallback_of(store: OpenStore, engine: Mapping[str, Any], why: str, most: int) -> FallbackAnswer:
    """
    Return the model of a TensorRTEngine, of at most ``most`` bytes, for a pod of its namespace.

    Raises IgnitionError where it cannot be handed out: SourceForbidden, SourceNotFound, ModelTooLarge,
    InvalidRequest without a digest, InvalidModel for a bundle that lies otherwise, or what the store says.
    """
    metadata, source = engine["metadata"], engine["spec"]["model"]["source"]
    sha256 = require_digest(source)
    if why_not := refusal(store.spec, metadata["namespace"], source["uri"]):
        raise IgnitionError(Reason.SourceForbidden, why_not)
    is_bundle = source["uri"].endswith("/")
    files = bundle_files(store, source["uri"]) if is_bundle else (model_file(store, source["uri"]),)
    if (size := sum(file.size for file in files)) > most:
        raise ModelTooLarge(size, most)
    return FallbackAnswer(metadata["name"], MODEL, why, sha256, is_bundle, files)


def require_digest(source: Mapping[str, Any]) -> str:
    """Return the digest of a model source; RequestError where nothing would tell that these are its bytes."""
    if (sha256 := digest_of(source)) is None:
        raise RequestError(Reason.InvalidRequest, "no digest of its bytes is known", HOW_TO_PIN)
    return sha256


def model_file(store: OpenStore, uri: str) -> FallbackFile:
    """Return a model of one file."""
    where = parse_s3_uri(uri)
    found = store.objects.head(where.key, bucket=where.bucket)
    if found is None:
        raise ObjectMissing(uri)
    return FallbackFile(MODEL_FILE, link(store, where), found.size)


def bundle_files(store: OpenStore, uri: str) -> tuple[FallbackFile, ...]:
    """Return all files of a bundle, the model first."""
    bundle = read_bundle(store.objects, uri)
    if bundle is None:
        raise ObjectMissing(uri)
    require_model_on_top(bundle)
    return tuple(
        FallbackFile(file.name, link(store, bundle.location(file)), file.size)
        for file in (bundle.model, *bundle.others)
    )


def require_model_on_top(bundle: Bundle) -> None:
    """Raise RequestError where the model would not find its data: it is given another name, in one folder."""
    if "/" in bundle.model.name:
        raise RequestError(
            Reason.InvalidModel,
            f"the bundle has its model at {bundle.model.name!r:.80}",
            "push a folder that has the .onnx file at its top",
        )


def link(store: OpenStore, where: S3Location) -> str:
    """Return a URL that reads one object for a while."""
    return store.objects.presign_get(where.key, URL_SECONDS, bucket=where.bucket)
