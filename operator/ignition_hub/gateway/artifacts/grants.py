"""
What a builder is given: its request, and short-lived URLs of everything the request names. Synchronous.

Rights are checked again here, for the controller's judgement is as old as the Job; and the model is compared
with the fingerprint in the identity, before the build and, by ``publishing``, after it.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeAlias

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.engine.errors import IgnitionError, Reason, RequestError
from ignition_hub.engine.fingerprint import fingerprint
from ignition_hub.engine.pinned import MOST_FILE_BYTES, pinned_files
from ignition_hub.engine.request import DATA, PLUGIN, BuildGrant, BuildRequest, GrantedFile
from ignition_hub.engine.sources import S3Location, parse_s3_uri, plugin_refusal, refusal
from ignition_hub.gateway.errors import ModelTooLarge
from ignition_hub.store.bundles import Bundle, read_bundle
from ignition_hub.store.errors import ObjectMissing
from ignition_hub.store.objects import ObjectFacts

URL_SECONDS = 3600

Sign: TypeAlias = Callable[[S3Location, str], tuple[str, str | None]]
"""Returns a URL of an object, given where it is and the ETag it had, and the ETag to send with it."""


class ModelChanged(RequestError):
    """The model was replaced after the build was asked for; the controller asks for another build."""

    def __init__(self, uri: str) -> None:
        message = f"{uri} changed after this build was requested"
        super().__init__(Reason.ModelDigestMismatch, message, "the new content needs a new build")


def grant_of(store: OpenStore, request: BuildRequest, most: int, *, versioned: bool = True) -> BuildGrant:
    """
    Return what a builder may read for ``request``; model and external data have at most ``most`` bytes.

    With ``versioned``, each URL reads the version that was looked at and no other, for builders that send
    ``If-Match``.

    Raise SourceForbidden for what its namespace may not read, ObjectMissing, ModelChanged or ModelTooLarge.
    """
    _require_rights(store, request)
    sign = partial(_link, store, versioned)
    files = tuple(_pinned(store, request, sign))
    if request.model_uri.endswith("/"):
        return _bounded(_with_bundle(request, current_bundle(store, request), most, files, sign))
    model = current_object(store, request)
    url, etag = sign(parse_s3_uri(request.model_uri), model.etag)
    return _bounded(BuildGrant(request, url, model.size, most, files, etag))


def check_model(store: OpenStore, request: BuildRequest) -> None:
    """Raise ObjectMissing or ModelChanged unless the model is still the one that the identity is about."""
    if request.model_uri.endswith("/"):
        current_bundle(store, request)
    else:
        current_object(store, request)


def current_object(store: OpenStore, request: BuildRequest) -> ObjectFacts:
    """Return what the store says of a request's model; ObjectMissing, or ModelChanged when it is another."""
    where = parse_s3_uri(request.model_uri)
    found = store.objects.head(where.key, bucket=where.bucket)
    if found is None:
        raise ObjectMissing(where.uri)
    now = fingerprint(request.model_uri, sha256=request.model_sha256, etag=found.etag, size=found.size)
    if now != request.inputs.model.fingerprint:
        raise ModelChanged(request.model_uri)
    return found


def current_bundle(store: OpenStore, request: BuildRequest) -> Bundle:
    """Return the files of a request's bundle; ObjectMissing, or ModelChanged when one is another."""
    bundle = read_bundle(store.objects, request.model_uri)
    if bundle is None:
        raise ObjectMissing(request.model_uri)
    if bundle.fingerprint != request.inputs.model.fingerprint:
        raise ModelChanged(request.model_uri)
    return bundle


def _require_rights(store: OpenStore, request: BuildRequest) -> None:
    if why_not := refusal(store.spec, request.namespace, request.model_uri):
        raise IgnitionError(Reason.SourceForbidden, why_not)
    for file in pinned_files(request.options, request.verification):
        may_not = plugin_refusal if file.role == PLUGIN else refusal
        if why_not := may_not(store.spec, request.namespace, file.uri):
            raise IgnitionError(Reason.SourceForbidden, f"spec.{file.field}: {why_not}")


def _with_bundle(
    request: BuildRequest, bundle: Bundle, most: int, files: tuple[GrantedFile, ...], sign: Sign
) -> BuildGrant:
    data = []
    for name, file in bundle.data():
        url, etag = sign(bundle.location(file), file.etag)
        data.append(GrantedFile(DATA, name, url, file.size, etag=etag))
    url, etag = sign(bundle.location(bundle.model), bundle.model.etag)
    return BuildGrant(request, url, bundle.model.size, most, (*data, *files), etag)


def _pinned(store: OpenStore, request: BuildRequest, sign: Sign) -> Iterator[GrantedFile]:
    total = 0
    for file in pinned_files(request.options, request.verification):
        where = parse_s3_uri(file.uri)
        found = store.objects.head(where.key, bucket=where.bucket)
        if found is None:
            raise IgnitionError(Reason.SourceNotFound, f"spec.{file.field}: {file.uri} does not exist")
        total += found.size
        if total > MOST_FILE_BYTES:
            raise RequestError(
                Reason.ModelTooLarge,
                f"spec.{file.field}: with {file.uri} the files besides the model have {total} bytes; "
                f"at most {MOST_FILE_BYTES} are accepted",
                "use fewer samples",
            )
        url, etag = sign(where, found.etag)
        yield GrantedFile(file.role, file.name, url, found.size, file.sha256, etag)


def _bounded(grant: BuildGrant) -> BuildGrant:
    total = grant.model_size + sum(file.size for file in grant.files if file.role == DATA)
    if total > grant.max_model_bytes:
        raise ModelTooLarge(total, grant.max_model_bytes)
    return grant


def _link(store: OpenStore, versioned: bool, where: S3Location, etag: str) -> tuple[str, str | None]:
    """Return a URL of an object, and the ETag of the one version that it reads, if it reads only one."""
    tag = etag if versioned else None
    url = store.objects.presign_get(where.key, URL_SECONDS, bucket=where.bucket, if_match=tag)
    return url, tag
