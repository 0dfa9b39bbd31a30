"""
Who may read which model with the hub's credentials, and whose plugin libraries are run. Pure.

A tenant names any URI it likes; the hub reads for it only what the platform team's EngineStore lists for its
namespace, and what the namespace itself pushed. Everything else would make the hub a confused deputy. A
plugin library is code in the builder, so what a namespace pushed is no place for one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ignition_hub.engine.naming import Tree

EVERY_NAMESPACE = "*"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_UNSAFE = re.compile(r"[\x00-\x20\x7f?#\\]")


@dataclass(frozen=True, slots=True)
class S3Location:
    """One object of one bucket."""

    bucket: str
    key: str

    @property
    def uri(self) -> str:
        """Return the location as ``s3://bucket/key``."""
        return f"s3://{self.bucket}/{self.key}"


def parse_s3_uri(uri: str) -> S3Location:
    """
    Return what ``s3://bucket/key`` names; raise ValueError, saying why, for anything else.

    Segments that a file-backed server would resolve (``.``, ``..``, an empty one) are refused: the right to
    read is decided on the text of the key.
    """
    if not uri.startswith("s3://"):
        raise ValueError(f"{uri!r} does not start with s3://")
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(f"{uri!r}: {bucket!r} is not a bucket name")
    if not key or _UNSAFE.search(key):
        raise ValueError(f"{uri!r} names no object, or has a blank, ?, # or backslash in its key")
    if any(segment in {"", ".", ".."} for segment in key.rstrip("/").split("/")):
        raise ValueError(f"{uri!r} has an empty, '.' or '..' segment in its key")
    return S3Location(bucket, key)


def refusal(store_spec: Mapping[str, Any], namespace: str, uri: str) -> str | None:
    """
    Return why a namespace may not have the hub read ``uri``, with what would work; None when it may.

    A ``uri`` that ends in / is everything below it.
    """
    try:
        path = parse_s3_uri(uri).uri
    except ValueError as error:
        return f"{error}; copy it to a bucket and name it as s3://bucket/key, or push the model"
    hub = _hub_root(store_spec)
    if path.startswith(f"{hub}{Tree.MODELS}/{namespace}/"):
        return None
    if _touches_the_hub(hub, path):
        return f"{uri} belongs to the hub's own tree and is not a model that namespace {namespace} pushed"
    allowed = _prefixes(store_spec.get("modelSources"), namespace)
    if any(_covers(prefix, path) for prefix in allowed):
        return None
    readable = ", ".join(allowed) or "nothing yet"
    return (
        f"namespace {namespace} may not read {uri}; it may read {readable}. "
        "Ask the platform team for an entry in modelSources of the EngineStore, or push the model"
    )


def reads_alone(store_spec: Mapping[str, Any], namespace: str, uri: str) -> bool:
    """Tell whether a namespace may read ``uri`` and no other namespace may."""
    if refusal(store_spec, namespace, uri) is not None:
        return False
    path = parse_s3_uri(uri).uri
    if path.startswith(f"{_hub_root(store_spec)}{Tree.MODELS}/{namespace}/"):
        return True
    sources = store_spec.get("modelSources") or ()
    return all(set(s["namespaces"]) == {namespace} for s in sources if _covers(s["prefix"], path))


def plugin_refusal(store_spec: Mapping[str, Any], namespace: str, uri: str) -> str | None:
    """Return why a plugin library at ``uri`` is not run for a namespace; None when it may be."""
    try:
        path = parse_s3_uri(uri).uri
    except ValueError as error:
        return str(error)
    allowed = _prefixes(store_spec.get("pluginSources"), namespace)
    listed = any(_covers(prefix, path) for prefix in allowed)
    # Whatever is listed: where tenants can write, nothing is code of the platform team.
    if listed and not _touches_the_hub(_hub_root(store_spec), path):
        return None
    loadable = ", ".join(allowed) or "nowhere yet"
    return (
        f"namespace {namespace} may not load plugin libraries from {uri}; it may load them from {loadable}. "
        "A library runs as code in the builder: ask the platform team for an entry in pluginSources of the "
        "EngineStore"
    )


def _hub_root(store_spec: Mapping[str, Any]) -> str:
    s3 = store_spec["s3"]
    prefix = (s3.get("prefix") or "").strip("/")
    return f"s3://{s3['bucket']}/{prefix}/" if prefix else f"s3://{s3['bucket']}/"


def _touches_the_hub(hub: str, path: str) -> bool:
    own = tuple(f"{hub}{tree}/" for tree in Tree)
    # A folder above the hub's tree holds that tree as well.
    return path.startswith(own) or (path.endswith("/") and hub.startswith(path))


def _prefixes(sources: Iterable[Mapping[str, Any]] | None, namespace: str) -> list[str]:
    return sorted(source["prefix"] for source in sources or () if _lists(source, namespace))


def _lists(source: Mapping[str, Any], namespace: str) -> bool:
    namespaces = source.get("namespaces") or []
    return namespace in namespaces or EVERY_NAMESPACE in namespaces


def _covers(prefix: str, path: str) -> bool:
    """Compare by whole segments: ``s3://models`` must not open ``s3://models-of-others``."""
    return path == prefix or path.startswith(prefix if prefix.endswith("/") else prefix + "/")
