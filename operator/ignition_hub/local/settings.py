"""
What the environment says: where the cache is, where the artifacts store is, whom to trust. Read once.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from platformdirs import user_cache_path

from ignition_hub.engine.errors import Reason, RequestError
from ignition_hub.local.errors import wrong

CACHE = "TENSORRT_CACHE_DIR"
ENDPOINT, AWS_ENDPOINT = "ARTIFACTS_ENDPOINT", "AWS_ENDPOINT_URL"
ACCESS_KEY, SECRET_KEY = "ARTIFACTS_ACCESS_KEY", "ARTIFACTS_SECRET_KEY"
SIGNING_KEY, TRUSTED_KEYS = "ARTIFACTS_SIGNING_KEY", "ARTIFACTS_TRUSTED_KEYS"
REGION = "ARTIFACTS_REGION"
DEFAULT_REGION = "us-east-1"
NO_CREDENTIALS = f"the artifacts store needs credentials: set {ACCESS_KEY} and {SECRET_KEY}"
EXAMPLE = "https://s3.example.com/engines/ignition, or s3://engines/ignition with AWS_ENDPOINT_URL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactsSettings:
    """
    An artifacts store: a bucket and a prefix of an S3 endpoint, the credentials (empty for none), and keys.

    ``signing_key`` and ``trusted_keys`` are a PEM or JSON text, or the path of a file with it; None when the
    environment has none.
    """

    endpoint: str
    bucket: str
    prefix: str
    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str = DEFAULT_REGION
    signing_key: str | None = field(default=None, repr=False)
    trusted_keys: str | None = None

    @property
    def uri(self) -> str:
        """The store as ``s3://bucket/prefix``."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def cache_folder(given: str | os.PathLike[str] | None, environ: Mapping[str, str]) -> Path:
    """Return the cache: as given, else from the environment, else the user's cache directory."""
    chosen = given or environ.get(CACHE)
    return Path(chosen).expanduser().absolute() if chosen else user_cache_path("ignition-hub")


def artifacts_settings(
    store: str | None, environ: Mapping[str, str], *, given_as: str = "--store"
) -> ArtifactsSettings | None:
    """
    Return the artifacts store that ``store`` or the environment names; None when nobody names one.

    ``store`` and ``ARTIFACTS_ENDPOINT`` are ``https://host/bucket/prefix`` or ``s3://bucket/prefix``; the
    host of an ``s3://`` address comes from ``ARTIFACTS_ENDPOINT`` or ``AWS_ENDPOINT_URL``, and is Amazon's
    without them. Raises RequestError that names a variable that is missing or wrong, or ``given_as``, which
    is how ``store`` was given.
    """
    configured = environ.get(ENDPOINT) or None
    named = store or configured
    if named is None:
        return None
    region = environ.get(REGION) or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
    where = given_as if store else ENDPOINT
    if named.startswith("s3://"):
        host, path = _s3_host(configured, environ, region), named.removeprefix("s3://")
    else:
        host, path = _host(named, where), urlsplit(named).path
    bucket, _, prefix = path.strip("/").partition("/")
    if not bucket:
        raise wrong(where, named, "it has no bucket", f"write {EXAMPLE}")
    access_key, secret_key, token = _credentials(environ)
    if store and not access_key:
        raise RequestError(Reason.InvalidRequest, f"{where} {store}: {NO_CREDENTIALS}")
    return ArtifactsSettings(
        endpoint=host,
        bucket=bucket,
        prefix=prefix.strip("/"),
        access_key=access_key,
        secret_key=secret_key,
        session_token=token,
        region=region or DEFAULT_REGION,
        signing_key=environ.get(SIGNING_KEY) or None,
        trusted_keys=environ.get(TRUSTED_KEYS) or None,
    )


def asks_for_signatures(environ: Mapping[str, str]) -> bool:
    """Tell whether this machine uses only engines that somebody it believes has signed, or that it built."""
    return bool(environ.get(SIGNING_KEY) or environ.get(TRUSTED_KEYS))


def _host(url: str, where: str, example: str = EXAMPLE) -> str:
    if not _is_address(url):
        raise wrong(where, url.rpartition("@")[2], "not an address", f"write {example}")
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:  # half an IPv6 address, or a port that is none
        return False
    return has_host and parts.scheme in {"http", "https"} and "@" not in parts.netloc


def _s3_host(configured: str | None, environ: Mapping[str, str], region: str | None) -> str:
    """Return where ``s3://`` addresses lead."""
    if configured and not configured.startswith("s3://"):
        return _host(configured, ENDPOINT)
    if of_aws := environ.get(AWS_ENDPOINT):
        return _host(of_aws, AWS_ENDPOINT, "https://s3.example.com")
    return f"https://s3.{region or DEFAULT_REGION}.amazonaws.com"


def _credentials(environ: Mapping[str, str]) -> tuple[str, str, str | None]:
    """Return one complete set, or empty words; a key of one set never goes with the secret of another."""
    names = (
        (ACCESS_KEY, SECRET_KEY, ""),
        ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    )
    for access, secret, token in names:
        if environ.get(access) and environ.get(secret):
            return environ[access], environ[secret], environ.get(token) or None
    return "", "", None
