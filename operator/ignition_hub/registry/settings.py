"""
Where images go and who may write there: ``spec.registry`` of an EngineStore and its Secret, read once.

The Secret lives in the release namespace and is named by the platform team's cluster-scoped EngineStore, so
no tenant ever chooses a registry or a credential.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ignition_hub.registry.errors import RegistryRefused

DOCKER_CONFIG = ".dockerconfigjson"
"""The key of a Secret of the type ``kubernetes.io/dockerconfigjson``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """
    One registry: ``host`` with its port, the ``path`` below which all images lie, and who pushes.

    ``authorities`` is PEM text, trusted beside the system's; empty for those alone. ``plain_http`` is for a
    registry without TLS.
    """

    host: str
    path: str
    user: str = ""
    password: str = field(default="", repr=False)
    authorities: str = ""
    plain_http: bool = False

    @property
    def url(self) -> str:
        """The beginning of every address."""
        return f"{'http' if self.plain_http else 'https'}://{self.host}"

    def name_of(self, namespace: str, engine: str) -> str:
        """Return the repository of a TensorRTEngine, as the registry calls it."""
        return "/".join(part for part in (self.path, namespace, engine) if part)

    def reference(self, name: str, digest: str) -> str:
        """Return what a pod names to have the image of ``digest``."""
        return f"{self.host}/{name}@{digest}"


def push_secret_name(spec: Mapping[str, Any]) -> str:
    """Return the Secret that ``spec.registry`` names; empty where the registry takes images from anybody."""
    return str((spec.get("credentialsSecretRef") or {}).get("name") or "")


def registry_settings(spec: Mapping[str, Any], secret: Mapping[str, Any] | None) -> RegistrySettings:
    """Return the settings of ``spec.registry``; raise RegistryRefused naming what its Secret lacks."""
    host, _, path = str(spec["repository"]).partition("/")
    user, password = "", ""
    if name := push_secret_name(spec):
        user, password = credentials_in(secret, name, host)
    return RegistrySettings(
        host=host,
        path=path.strip("/"),
        user=user,
        password=password,
        authorities=spec.get("caBundle") or "",
        plain_http=bool(spec.get("plainHTTP")),
    )


def credentials_in(secret: Mapping[str, Any] | None, name: str, host: str) -> tuple[str, str]:
    """Return the user and the password that a Secret has for ``host``."""
    if secret is None:
        raise RegistryRefused(
            f"Secret {name} of spec.registry does not exist", "create it in the namespace of the hub"
        )
    try:
        text = base64.b64decode((secret.get("data") or {})[DOCKER_CONFIG], validate=True)
        entry = json.loads(text)["auths"][host]
        if "auth" in entry:
            user, _, password = base64.b64decode(entry["auth"], validate=True).decode().partition(":")
            return user, password
        return str(entry["username"]), str(entry["password"])
    except (KeyError, TypeError, ValueError, binascii.Error, RecursionError) as error:
        raise RegistryRefused(
            f"Secret {name} of spec.registry has no user for {host}",
            f"kubectl create secret docker-registry {name} --docker-server={host}",
        ) from error
