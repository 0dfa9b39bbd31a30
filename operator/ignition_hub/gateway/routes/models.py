"""
``POST /v1/models``: a model from somebody's disk, like ``docker push``.

The body is streamed into a multipart upload while it is hashed. It becomes visible only after the digest was
found right, under a key of the caller's own namespace: knowing a digest gives nobody a model. A model with
external data comes file by file: ``X-Bundle`` is one digest for all of them, ``X-Bundle-Size`` their bytes in
all, ``X-Name`` the file's path, percent-encoded.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import unquote

from aiohttp import StreamReader, web

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.buckets.workers import Workers
from ignition_hub.engine.errors import ContractError, IgnitionError, Reason, RequestError
from ignition_hub.engine.naming import is_plain_path, pushed_bundle_folder, pushed_model_key
from ignition_hub.gateway.documents import valid_sha256
from ignition_hub.gateway.errors import ModelTooLarge, NotPermitted
from ignition_hub.gateway.process.bodies import require_plain
from ignition_hub.gateway.process.limits import ConcurrencyLimit
from ignition_hub.gateway.services import SERVICES, Services
from ignition_hub.kube import ENGINES, TokenUser
from ignition_hub.retention.layout import UNUSED
from ignition_hub.store.errors import StoreUnavailable
from ignition_hub.store.objects import ObjectStore

PART_BYTES = 16 * 1024 * 1024
SILENCE_SECONDS = 60.0
"""How long a client may send nothing before its push is given up."""
PUSHES = 8
"""How many pushes run at once: each holds a part or two in memory."""
PUSHES_OF_ONE_NAMESPACE = 2
LEAST_BYTES_PER_SECOND = 256 * 1024
"""A push that is slower on the whole is given up: its place is wanted by others."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What a client said it pushes, and where that belongs."""

    key: str
    sha256: str
    size: int
    bundle: str | None = None
    """The folder of the bundle it belongs to."""
    bundle_size: int = 0
    """Bytes of that bundle in all; 0 when the client did not say."""

    @property
    def whole_bundle(self) -> tuple[str, int] | None:
        """The bundle's folder and bytes, where both are known."""
        return (self.bundle, self.bundle_size) if self.bundle and self.bundle_size else None

    def require(self, sha256: str, size: int) -> None:
        """Raise RequestError unless this is what arrived."""
        if (sha256, size) != (self.sha256, self.size):
            raise RequestError(
                Reason.ModelDigestMismatch,
                f"received {size} bytes with the SHA-256 {sha256}; "
                f"the request announced {self.size} bytes with {self.sha256}",
                "push it again",
            )


_places = web.AppKey("push_places", ConcurrencyLimit)


async def push(request: web.Request) -> web.Response:
    """Store a model for the caller's namespace and answer its URI."""
    require_plain(request)
    services = request.app[SERVICES]
    namespace = await _pusher(services, await services.callers.user_of(request))
    sha256 = _digest(request, "X-Content-SHA256")
    size = _announced_size(request, services.settings.max_model_bytes)
    with request.app[_places].one(namespace):
        store = await services.stores.current()
        announced = _announced(request, store.prefix, namespace, sha256, size)
        async with (
            services.quotas.of_model(store, namespace, announced.key, size, announced.whole_bundle),
            _in_time(seconds_for(size)),
        ):
            await _receive(request, services, store, announced)
    services.metrics.pushed_bytes.inc(size)
    answer = {"uri": store.uri_of(announced.key), "sha256": sha256, "size": size}
    bundle = {"bundle": store.uri_of(announced.bundle)} if announced.bundle else {}
    return web.json_response(answer | bundle)


def limit_pushes(app: web.Application) -> None:
    """Give an application its places for pushes."""
    app[_places] = ConcurrencyLimit("pushes", most=PUSHES, each=PUSHES_OF_ONE_NAMESPACE)


def seconds_for(size: int) -> float:
    """Return how many seconds a push of ``size`` bytes may take in all."""
    return 2 * SILENCE_SECONDS + size / LEAST_BYTES_PER_SECOND


@contextlib.asynccontextmanager
async def _in_time(seconds: float) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise RequestError(
            Reason.InvalidRequest, f"the model was not received within {seconds:.0f} s", "push it again"
        ) from error


async def _pusher(services: Services, user: TokenUser) -> str:
    """Return the namespace a caller may push for: its ServiceAccount's, if it may create engines there."""
    if not user.namespace:
        raise NotPermitted(
            f"{user.username} is not a ServiceAccount",
            "use a ServiceAccount's token: kubectl create token <name> --audience ignition-hub",
        )
    if not await services.kube.may(user, "create", ENGINES, user.namespace):
        raise NotPermitted(
            f"{user.username} may not create {ENGINES.plural} in namespace {user.namespace}",
            "bind the role edit to that ServiceAccount there",
        )
    return user.namespace


def _digest(request: web.Request, header: str) -> str:
    return valid_sha256(header, request.headers.get(header, "").lower())


def _announced(request: web.Request, prefix: str, namespace: str, sha256: str, size: int) -> Announced:
    """Return where a body belongs: under its own digest, or under its name in a bundle."""
    if "X-Bundle" not in request.headers:
        return Announced(pushed_model_key(prefix, namespace, sha256), sha256, size)
    folder = pushed_bundle_folder(prefix, namespace, _digest(request, "X-Bundle"))
    name = unquote(request.headers.get("X-Name", ""))
    if not is_plain_path(name):
        raise ContractError(
            f"X-Name: {name!r:.80} is not a plain relative path", "send the file's path in the bundle"
        )
    return Announced(folder + name, sha256, size, folder, _bundle_size(request))


def _bundle_size(request: web.Request) -> int:
    text = request.headers.get("X-Bundle-Size", "0")  # clients of the first release do not send it
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise ContractError(f"X-Bundle-Size: {text!r:.80} is not a number of bytes", "send it in digits")
    return int(text)


def _announced_size(request: web.Request, most: int) -> int:
    size = request.content_length
    if not size:
        raise ContractError("Content-Length: missing or 0", "send the size of the model in bytes")
    if size > most:
        raise ModelTooLarge(size, most)
    return size


async def _receive(request: web.Request, services: Services, store: OpenStore, announced: Announced) -> None:
    """Stream the body into its key; nothing is left when it is cut off or is not what was announced."""
    objects, quick, key = store.objects, services.quick, announced.key
    upload_id = await started_upload(quick, objects, key)
    sha, received, etags = hashlib.sha256(), 0, list[str]()
    try:
        async for part in parts(request.content, announced.size):
            received += len(part)
            # In a thread: hashing 16 MiB would hold the loop for about 12 ms.
            await quick.run(sha.update, part)
            etags.append(await quick.run(objects.put_part, key, upload_id, len(etags) + 1, part))
        announced.require(sha.hexdigest(), received)
        is_new = await services.heavy.run(objects.complete_upload, key, upload_id, etags)
        if not is_new:
            await _found_again(services, objects, announced)
            await quick.run(objects.abort_upload, key, upload_id)
    except BaseException:
        with contextlib.suppress(IgnitionError):
            await quick.run(objects.abort_upload, key, upload_id)
        raise
    if await quick.run(objects.head, key) is None:
        raise StoreUnavailable(f"the store no longer has the upload of {key}", "push it again")


async def _found_again(services: Services, objects: ObjectStore, announced: Announced) -> None:
    """Check what is there already, and have it count as used from now: it may be about to be removed."""
    if announced.bundle:
        # Of a model of one file the key says that these are the same bytes, of a bundle it does not.
        announced.require(*await services.heavy.run(objects.digest, announced.key))
    unit = (announced.bundle or announced.key).rstrip("/").removesuffix(".onnx")
    await services.quick.run(objects.delete, unit + UNUSED)


async def started_upload(quick: Workers, objects: ObjectStore, key: str) -> str:
    """Begin an upload and return its id; one whose client leaves meanwhile is aborted once it has begun."""
    begun = asyncio.ensure_future(quick.run(objects.start_upload, key))
    try:
        return await asyncio.shield(begun)
    except asyncio.CancelledError:
        with contextlib.suppress(IgnitionError):
            await quick.run(objects.abort_upload, key, await begun)
        raise


async def parts(content: StreamReader, most: int) -> AsyncIterator[bytes]:
    """Yield a body in parts of equal size, the last one shorter; RequestError beyond ``most`` bytes."""
    part, received = bytearray(), 0
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                chunk = await content.readany()
        except TimeoutError as error:
            raise RequestError(
                Reason.InvalidRequest, f"no data was received for {SILENCE_SECONDS:g} s", "push it again"
            ) from error
        if not chunk:
            break
        received += len(chunk)
        if received > most:
            raise RequestError(
                Reason.ModelDigestMismatch,
                f"received more than the {most} bytes that the request announced",
                "push it again",
            )
        part += chunk
        while len(part) >= PART_BYTES:
            yield bytes(part[:PART_BYTES])
            del part[:PART_BYTES]
    if part:
        yield bytes(part)
