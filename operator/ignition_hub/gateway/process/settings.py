"""What a gateway is told when it starts: flags, each with an environment variable of the same name."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from ignition_hub.engine.environment import PREFIX
from ignition_hub.engine.names import BUILD_NAMESPACE, RELEASE_NAMESPACE

MIB = 1024 * 1024
GIB = 1024 * MIB


class Role(StrEnum):
    """What a process serves: admission is a process of its own, so that nothing else makes it wait."""

    PODS = "pods"
    """Builders, pods and people: with the signing key and the store."""
    ADMISSION = "admission"
    """The API server's webhook, which anybody can reach: with neither."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Where to listen, what to sign with, and the bounds of what is accepted. Sizes are bytes."""

    tls_cert: Path
    tls_key: Path
    serve: frozenset[Role] = frozenset(Role)
    signing_key: Path | None = None
    """Needed to serve pods."""
    ca_bundle: Path | None = None
    """CA certificates of this service; injected into pods so that fetchers can check it."""
    host: str = ""
    """Address to bind; empty is every address."""
    port: int = 8443
    metrics_port: int = 8080
    release_namespace: str = RELEASE_NAMESPACE
    build_namespace: str = BUILD_NAMESPACE
    gateway_url: str = f"https://ignition-hub-gateway.{RELEASE_NAMESPACE}.svc:443"
    fetcher_image: str = ""
    node_cache_url: str = ""
    """Where a pod finds the cache of its node; empty where there is none."""
    images_file: Path | None = None
    """Where the process that pushes images says which there are; admission reads it."""
    images_seconds: float = 10.0
    """The pause between two looks at which engines the registry lacks."""
    previous_keys: tuple[Path, ...] = ()
    """Signing keys of earlier times: what they signed is still believed, nothing new is signed with them."""
    max_model_bytes: int = 16 * GIB
    max_engine_bytes: int = 64 * GIB
    probe_seconds: float = 30.0
    """How often the bucket is asked whether it is there, for the metrics."""
    drain_seconds: float = 5.0
    """How long requests are still accepted after SIGTERM, until no Service sends them here any more."""
    shutdown_seconds: float = 60.0
    """How long running requests may take to end after that."""


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> GatewaySettings:
    """Read flags and, for those not given, ``IGNITION_<FLAG>``; exit with usage when one is missing."""
    parser = argparse.ArgumentParser(prog="python -m ignition_hub.gateway", description=__doc__)
    default = GatewaySettings(tls_cert=Path(), tls_key=Path())

    def flag(name: str, fallback: object, kind: type = str, meaning: str = "") -> None:
        value = environment.get(PREFIX + name.upper().replace("-", "_"))
        required = fallback is None and value is None
        parser.add_argument(
            f"--{name}",
            type=kind,
            default=kind(value) if value is not None else fallback,
            required=required,
            help=meaning or None,
        )

    flag("tls-cert", None, Path, "TLS certificate chain (PEM); reloaded when it changes")
    flag("tls-key", None, Path, "TLS private key (PEM)")
    flag("serve", ",".join(Role), str, "what to serve, comma-separated")
    flag("signing-key", "", str, "Ed25519 private key (PEM) that signs engines; needed to serve pods")
    flag(
        "ca-bundle", default.ca_bundle or "", str, "CA certificates (PEM) with which pods verify this service"
    )
    flag("host", default.host)
    flag("port", default.port, int)
    flag("metrics-port", default.metrics_port, int)
    flag("release-namespace", default.release_namespace)
    flag("build-namespace", default.build_namespace)
    flag("gateway-url", "", str, "URL at which pods reach this service; default: its Service's DNS name")
    flag("fetcher-image", default.fetcher_image, str, "image of the init container")
    flag("node-cache-url", "", str, "URL of the cache of a pod's own node; default: there is none")
    flag("images-file", "", str, "file by which both processes know the images in the registry")
    flag("images-seconds", default.images_seconds, float)
    flag("previous-keys", "", str, "comma-separated PEM files of earlier signing keys")
    flag("max-model-bytes", default.max_model_bytes, int)
    flag("max-engine-bytes", default.max_engine_bytes, int)
    flag("probe-seconds", default.probe_seconds, float)
    flag("drain-seconds", default.drain_seconds, float)
    flag("shutdown-seconds", default.shutdown_seconds, float)
    given = vars(parser.parse_args(arguments))
    namespace = given["release_namespace"]
    given["gateway_url"] = given["gateway_url"] or f"https://ignition-hub-gateway.{namespace}.svc:443"
    given["ca_bundle"] = Path(given["ca_bundle"]) if given["ca_bundle"] else None
    given["images_file"] = Path(given["images_file"]) if given["images_file"] else None
    given["serve"] = _roles(parser, given["serve"])
    if Role.PODS in given["serve"] and not given["signing_key"]:
        parser.error("--signing-key is required to serve pods")
    given["signing_key"] = Path(given["signing_key"]) if given["signing_key"] else None
    given["previous_keys"] = tuple(Path(name) for name in given["previous_keys"].split(",") if name)
    return GatewaySettings(**given)


def _roles(parser: argparse.ArgumentParser, text: str) -> frozenset[Role]:
    try:
        return frozenset(Role(name) for name in text.split(","))
    except ValueError:
        parser.error(f"--serve: {text!r} is not one or more of: {', '.join(Role)}")
