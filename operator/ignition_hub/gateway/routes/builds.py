"""
``/v1/builds/self``: everything a builder may ask. "self" is the build of the pod that the token is bound to.
"""

import asyncio
import json
from typing import Any

from aiohttp import web

from ignition_hub.buckets.default_store import OpenStore
from ignition_hub.engine.names import ANNOTATION_FAILURE, ANNOTATION_PROGRESS
from ignition_hub.engine.protocol import Completion
from ignition_hub.gateway.artifacts.grants import grant_of
from ignition_hub.gateway.artifacts.uploads import start_upload
from ignition_hub.gateway.cluster.callers import Build
from ignition_hub.gateway.documents import (
    annotation_of,
    completion_in,
    failure_in,
    progress_in,
    upload_in,
)
from ignition_hub.gateway.process.bodies import COMPLETION_BYTES, DOCUMENTS, FAILURE_BYTES, SMALL_BYTES
from ignition_hub.gateway.services import SERVICES, Services
from ignition_hub.kube import JOBS
from ignition_hub.store.publish import Publication


async def grant(request: web.Request) -> web.Response:
    """Answer what to build, and short-lived URLs of all it takes."""
    services = request.app[SERVICES]
    build = await _build(request, services, fresh=True)
    store = await services.stores.current()
    most, versioned = services.settings.max_model_bytes, request.query.get("if-match") == "true"
    answer = await services.quick.run(grant_of, store, build.request, most, versioned=versioned)
    return web.json_response(answer.to_json())


async def progress(request: web.Request) -> web.Response:
    """Write how far a build is onto its Job, now and then."""
    services = request.app[SERVICES]
    build = await _build(request, services)
    report = progress_in(await request.app[DOCUMENTS].read(request, "progress", most=SMALL_BYTES))
    if services.pace.is_due(build.job_uid):
        await _annotate(services, build, {ANNOTATION_PROGRESS: report.to_json()})
    return web.Response(status=204)


async def upload(request: web.Request) -> web.Response:
    """Begin an upload, and answer one URL for each part."""
    services = request.app[SERVICES]
    build = await _build(request, services, fresh=True)
    body = await request.app[DOCUMENTS].read(request, "upload", most=SMALL_BYTES)
    wanted = upload_in(body, most=services.settings.max_engine_bytes)
    store = await services.stores.current()
    await services.quotas.let_in_engine(store, build.request, wanted.size)
    answer = await services.quick.run(start_upload, store, build.request, wanted)
    return web.json_response(answer.to_json())


async def completed(request: web.Request) -> web.Response:
    """Check, sign and publish what was uploaded."""
    services = request.app[SERVICES]
    build = await _build(request, services, fresh=True)
    body = await request.app[DOCUMENTS].read(request, "complete", most=COMPLETION_BYTES)
    done = completion_in(body, most=services.settings.max_engine_bytes)
    store = await services.stores.current()
    # Shielded: the place of a publication is taken until it ends, whether its builder waits or not.
    publication = await asyncio.shield(_publication(services, store, build, done))
    services.quotas.engine_is_published(build.request)
    services.metrics.published.labels("new" if publication.is_new else "existing").inc()
    answer = {
        "uri": store.uri_of(publication.manifest.engine.key),
        "manifest_key": publication.manifest_key,
    }
    return web.json_response(answer)


async def failed(request: web.Request) -> web.Response:
    """Write why a build failed onto its Job, where the controller finds it."""
    services = request.app[SERVICES]
    build = await _build(request, services, fresh=True)
    failure = failure_in(await request.app[DOCUMENTS].read(request, "failed", most=FAILURE_BYTES))
    services.quotas.engine_failed(build.request)
    await _annotate(services, build, {ANNOTATION_FAILURE: annotation_of(failure)})
    return web.Response(status=204)


async def _build(request: web.Request, services: Services, *, fresh: bool = False) -> Build:
    return await services.callers.build_of(await services.callers.user_of(request), fresh=fresh)


async def _publication(services: Services, store: OpenStore, build: Build, done: Completion) -> Publication:
    with services.completing.one(build.job_name):
        return await services.publishing.complete(store, build, done)


async def _annotate(services: Services, build: Build, values: dict[str, Any]) -> None:
    annotations = {name: json.dumps(value) for name, value in values.items()}
    # With its uid: a Job of the same name that was made meanwhile must not inherit these words.
    metadata = {"uid": build.job_uid, "annotations": annotations}
    await services.kube.merge_patch(
        JOBS, build.job_name, {"metadata": metadata}, services.settings.build_namespace
    )
