"""
TensorRT engines on one machine, without a cluster::

    from ignition_hub import build_or_load_engine

    engine, source = build_or_load_engine(onnx_path="arcface_r100.onnx", precision="fp16", batch_size=32)

The engine comes from the local cache, else from the artifacts store, else it is built and shared. Its
identity is the one a cluster computes for the same model, options and versions. ``docs/laptop.md`` is the
page for it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ignition_hub.local.cache import Cache
from ignition_hub.local.engine import EngineSource, LocalEngine
from ignition_hub.local.provider import EngineProvider, unwatched
from ignition_hub.local.prune import clear
from ignition_hub.local.resolution import DEFAULT_VERSION, TIMEOUT_SECONDS, EngineRequest, resolved_request
from ignition_hub.local.settings import artifacts_settings, asks_for_signatures, cache_folder
from ignition_hub.local.shapes import Range

__all__ = ["LocalEngine", "build_or_load_engine", "clear_cache"]


def build_or_load_engine(
    onnx_path: str | os.PathLike[str],
    precision: str = "fp16",
    batch_size: int | Sequence[int] | None = None,
    *,
    max_sequence_length: int | None = None,
    shapes: Mapping[str, Range] | None = None,
    arch: str | None = None,
    flavor: str | None = None,
    tensorrt_version: str | None = None,
    compatibility: str | None = None,
    product: str | None = None,
    model_name: str | None = None,
    model_version: str = DEFAULT_VERSION,
    options: Mapping[str, Any] | None = None,
    verification: Mapping[str, Any] | None = None,
    force_rebuild: bool = False,
    cache_dir: str | os.PathLike[str] | None = None,
    artifacts_endpoint: str | None = None,
    timeout: float = TIMEOUT_SECONDS,
    may_be_temporary: bool = True,
    on_progress: Callable[[str, float], None] = unwatched,
) -> tuple[LocalEngine, EngineSource]:
    """
    Return an engine for an ONNX model, and where it came from: ``local_cache``, ``remote`` or ``built``.

    ``batch_size`` N opens batches from 1 to N, tuned for N; a triple is (min, opt, max).
    ``max_sequence_length`` does the same for lengths; dimensions are known by their names, else by their
    positions. ``shapes`` maps an input to one shape or to (min, opt, max) and wins over both. ``arch`` is the
    GPU, as ``sm_89``, by default this machine's. ``flavor`` (``TensorRT``, ``TensorRTRTX``) and
    ``tensorrt_version`` are by default what is installed. ``compatibility`` is by default
    ``SameComputeCapability`` where the release has it, ``Product`` below TensorRT 10.9 and on Jetson, and
    ``product`` is then this machine's. ``options`` and ``verification`` are those of a TensorRTEngine, by the
    same names; for its pinned ``source``, give the path of a file. ``cache_dir`` and ``artifacts_endpoint``
    win over ``TENSORRT_CACHE_DIR`` and ``ARTIFACTS_ENDPOINT`` of the environment. ``timeout`` (seconds)
    bounds the wait for another process, and the build. ``on_progress`` hears a phase and its share done.

    A store that does not answer costs a warning (logger ``ignition_hub.library``) and no engine, as does a
    cache that cannot be written: unless ``may_be_temporary`` is false, a folder of this process then has the
    engine. Raises IgnitionError, whose ``reason`` says why there is none.
    """
    asked = EngineRequest(
        onnx_path=Path(onnx_path),
        precision=precision,
        batch_size=batch_size,
        max_sequence_length=max_sequence_length,
        shapes=shapes or {},
        arch=arch,
        flavor=flavor,
        tensorrt_version=tensorrt_version,
        compatibility=compatibility,
        product=product,
        model_name=model_name,
        model_version=model_version,
        options=options or {},
        verification=verification or {},
        timeout_seconds=max(1, round(timeout)),
    )
    provider = _provider(cache_dir, artifacts_endpoint, may_be_temporary=may_be_temporary)
    return provider.engine(resolved_request(asked, provider.cache.digests), on_progress, force=force_rebuild)


def _provider(
    folder: str | os.PathLike[str] | None, endpoint: str | None, *, may_be_temporary: bool
) -> EngineProvider:
    """Return what gives engines: the cache, the store at ``endpoint`` or of the environment, and building."""
    return EngineProvider(
        cache=Cache(cache_folder(folder, os.environ)),
        artifacts=artifacts_settings(endpoint, os.environ),
        only_vouched=asks_for_signatures(os.environ),
        may_be_temporary=may_be_temporary,
        may_build_again=True,
    )


def clear_cache(
    cache_dir: str | os.PathLike[str] | None = None,
    *,
    model_name: str | None = None,
    older_than: float = 0.0,
) -> int:
    """
    Remove engines from the local cache and return the bytes that were freed.

    ``model_name`` keeps those of other models, ``older_than`` those built within that many seconds. An
    engine that somebody builds at this moment is left alone, and so is every file the hub did not write.
    """
    cache = Cache(cache_folder(cache_dir, os.environ))
    return sum(entry.size for entry in clear(cache, model_name=model_name, older_than=older_than))
