"""
``/v1/builds/self/timing-cache``: the timing cache that a build may read, and then write.

Which one that is follows from the node of the token, the request on the Job and who may read its model; the
builder tells its CUDA release and nothing else. Writing is compare-and-set at the store itself: the size and
the version that is replaced are signed into the URL.
"""

import re

from aiohttp import web

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.engine.errors import ContractError, IgnitionError, Reason, RequestError
from ignition_hub.engine.identity import TENSORRT_RTX
from ignition_hub.engine.naming import timing_cache_key
from ignition_hub.engine.protocol import TimingCacheRead, TimingCacheWrite
from ignition_hub.engine.quoting import shown
from ignition_hub.engine.request import OFF, READ_WRITE, BuildRequest
from ignition_hub.engine.sources import reads_alone, refusal
from ignition_hub.engine.timing_cache import MOST_BYTES, StoredTimingCache, TimingCacheUpload, owner_of
from ignition_hub.gateway.errors import NotPermitted
from ignition_hub.gateway.process.bodies import DOCUMENTS, SMALL_BYTES
from ignition_hub.gateway.services import SERVICES, Services
from ignition_hub.kube import TokenUser

URL_SECONDS = 900
_ETAG = r"[!#-~]{1,128}"


async def find(request: web.Request) -> web.Response:
    """Answer where the timing cache of this build is, and a URL to read it if there is one."""
    services = request.app[SERVICES]
    user, build = await _caller(services, request)
    body = await request.app[DOCUMENTS].read(request, "timing-cache", most=SMALL_BYTES)
    wanted = TimingCacheRead.from_json(body)
    store, product = await services.stores.current(), await _product(services, user)
    answer = await services.quick.run(_found, store, build, product, wanted.cuda)
    return web.json_response(answer.to_json())


async def upload(request: web.Request) -> web.Response:
    """Answer a URL that writes the cache if nobody else did since the builder read it."""
    services = request.app[SERVICES]
    user, build = await _caller(services, request)
    if build.timing_cache != READ_WRITE:
        raise NotPermitted(
            f"build.timingCache is {build.timing_cache}", "use ReadWrite to update the store's timing cache"
        )
    body = await request.app[DOCUMENTS].read(request, "timing-cache/upload", most=SMALL_BYTES)
    writing = _checked(TimingCacheWrite.from_json(body))
    store, product = await services.stores.current(), await _product(services, user)
    key = _key(store, build, product, writing.cuda)
    url, headers = store.objects.presign_put(key, writing.size, writing.etag, URL_SECONDS)
    return web.json_response(TimingCacheUpload(url, headers).to_json())


def _checked(writing: TimingCacheWrite) -> TimingCacheWrite:
    if not 1 <= writing.size <= MOST_BYTES:
        raise ContractError(
            f"size: {shown(writing.size)} is out of range",
            f"a timing cache of 1 to {MOST_BYTES} bytes is stored; delete the stored one to start over",
        )
    if writing.etag is not None and not re.fullmatch(_ETAG, writing.etag):
        raise ContractError(f"invalid ETag {writing.etag!r:.80}", "send the ETag that the gateway returned")
    return writing


async def _caller(services: Services, request: web.Request) -> tuple[TokenUser, BuildRequest]:
    user = await services.callers.user_of(request)
    build = (await services.callers.build_of(user, fresh=True)).request
    if build.inputs.flavor == TENSORRT_RTX:
        raise RequestError(
            Reason.UnsupportedOption,
            "TensorRT-RTX measures no kernels and has no timing cache",
            "do not request one",
        )
    if build.timing_cache == OFF:
        raise NotPermitted("build.timingCache is Off", "use ReadOnly or ReadWrite")
    return user, build


async def _product(services: Services, user: TokenUser) -> str:
    belief = await services.views.gpus.belief_of(user)
    if belief.gpu is None or belief.gpu.exact_product is None:
        raise RequestError(
            Reason.NoEngineForGPU,
            f"timing caches are per product, which is not known: node {user.node_name}: {belief.doubt}",
            belief.remedy,
        )
    return belief.gpu.exact_product


def _key(store: OpenStore, build: BuildRequest, product: str, cuda: str) -> str:
    if why_not := refusal(store.spec, build.namespace, build.model_uri):
        raise IgnitionError(Reason.SourceForbidden, why_not)
    alone = reads_alone(store.spec, build.namespace, build.model_uri)
    owner = owner_of(build, reads_alone=alone)
    return timing_cache_key(store.prefix, build.inputs, product=product, owner=owner, cuda=cuda)


def _found(store: OpenStore, build: BuildRequest, product: str, cuda: str) -> StoredTimingCache:
    key = _key(store, build, product, cuda)
    facts = store.objects.head(key)
    if facts is None:
        return StoredTimingCache(key)
    url = store.objects.presign_get(key, URL_SECONDS)
    return StoredTimingCache(key, url, facts.etag, facts.size)
