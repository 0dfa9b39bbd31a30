"""
The environment of the hub's programs in pods: the controller and the webhook write it, the builder, the
fetcher and the serving process read it. A flag of the gateway has a variable of its own, and so has an
annotation that the fetcher follows (``pod_annotations``).
"""

from collections.abc import Mapping
from pathlib import Path

PREFIX = "IGNITION_"
"""Begins every variable; a flag of the gateway follows in capitals: ``IGNITION_TLS_CERT``."""

GATEWAY_URL = "IGNITION_GATEWAY_URL"
"""Where the gateway is, as ``https://host:port``."""
NODE_CACHE_URL = "IGNITION_NODE_CACHE_URL"
"""Where the cache of a node is, as ``https://host:port``; fetchers without it go to the store."""
TOKEN_FILE = "IGNITION_TOKEN_FILE"  # noqa: S105  (a variable's name)
"""File of the projected ServiceAccount token that the gateway asks for."""
CA = "IGNITION_CA"
"""PEM text of the authorities that the gateway's certificate is checked against."""
CA_FILE = "IGNITION_CA_FILE"
"""The same as a file."""
WORK_DIR = "IGNITION_WORK_DIR"
"""Folder that a build may fill."""
BUILDER_IMAGE = "IGNITION_BUILDER_IMAGE"
"""Image of the builder, for the manifest of a build that no cluster sees."""
TERMINATION_LOG = "IGNITION_TERMINATION_LOG"
"""File that the kubelet reads a container's last message from; without it ``/dev/termination-log``."""

ENGINES = "IGNITION_ENGINES"
"""Engines that a pod fetches, as ``alias=resource,...``."""
MOUNT = "IGNITION_MOUNT"
"""Folder that they are put into, each below its alias."""
IMAGES = "IGNITION_IMAGES"
"""Engines that are mounted as images, as ``alias=SHA-256,...``: the fetcher verifies them where they are."""
DEADLINE_SECONDS = "IGNITION_DEADLINE_SECONDS"
"""Seconds that fetching all of them may take."""
ENGINE_OF_ALIAS = "IGNITION_ENGINE_"
"""Begins the variables that tell a container where its engines are; the alias follows in capitals."""
MODEL_OF_ALIAS = "IGNITION_MODEL_"
"""
Begins the variables of a pod with ``on-miss: Fallback``: where the ONNX model is if it got that and no
engine; the alias follows in capitals.
"""

HUB_NAMESPACE = "IGNITION_HUB_NAMESPACE"
"""Namespace in which ``kubectl ignition push`` looks for the gateway."""


def termination_log(environ: Mapping[str, str]) -> Path:
    """Return the file that the kubelet reads a container's last message from."""
    return Path(environ.get(TERMINATION_LOG) or "/dev/termination-log")
