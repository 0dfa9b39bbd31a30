"""
A registry as a few verbs, over the distribution API: is it there, upload, put.

One request at a time, for one worker. Credentials go to the registry's own host, and to the token server that
it names; no redirect is followed, and no upload that leads to another host.
"""

import base64
import contextlib
import hashlib
import http.client
import json
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, urljoin

from ignition_hub.engine.quoting import printable, quoted
from ignition_hub.registry.challenge import challenge_in, scope_of
from ignition_hub.registry.errors import RegistryRefused, RegistryUnavailable
from ignition_hub.registry.image import MANIFEST_TYPE, Blob
from ignition_hub.registry.settings import RegistrySettings
from ignition_hub.wire.address import Address, tls_context
from ignition_hub.wire.deadline import Deadline
from ignition_hub.wire.outcomes import explained, is_passing

CALL_SECONDS = 30.0
"""The longest silence of the registry, in the middle of an upload too."""
ANSWER_BYTES = 256 * 1024
REDIRECTS = (
    http.client.MOVED_PERMANENTLY,
    http.client.FOUND,
    http.client.SEE_OTHER,
    http.client.TEMPORARY_REDIRECT,
    http.client.PERMANENT_REDIRECT,
)
"""How a registry says where the bytes of a blob are."""
WORDS = 200
"""Characters of a registry's own message that are passed on."""


@dataclass(frozen=True, slots=True)
class RegistryAnswer:
    """One answer, its body read; header names are in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def words(self) -> str:
        """The registry's own message, or what the status alone says."""
        try:
            errors = json.loads(self.body)["errors"]
            text = "; ".join(f"{each['code']}: {each.get('message', '')}" for each in errors)
        except (ValueError, KeyError, TypeError, RecursionError):
            text = ""
        by_status = f"it answered {self.status} {http.client.responses.get(self.status, '')}".rstrip()
        return printable(quoted(text, WORDS)) or by_status  # what answers a HEAD has no body


@dataclass(slots=True)
class Registry:
    """One registry; ``deadline`` is for everything that is asked of it."""

    settings: RegistrySettings
    deadline: Deadline
    _tls: ssl.SSLContext | None = None
    _authorization: dict[str, str] = field(default_factory=dict, repr=False)
    """By repository, what was accepted last."""

    def digest_of(self, name: str, tag: str) -> str | None:
        """Return the digest of the image with a tag; None where there is none."""
        answer = self._ask("HEAD", name, f"/manifests/{tag}", headers={"Accept": MANIFEST_TYPE})
        if answer.status == http.client.NOT_FOUND:
            return None
        self._require(answer, (http.client.OK,), f"look for {name}:{tag}")
        return answer.headers.get("docker-content-digest") or None

    def has_blob(self, name: str, digest: str) -> bool:
        """Tell whether a blob is there; a registry may redirect to where its bytes are."""
        answer = self._ask("HEAD", name, f"/blobs/{digest}")
        if answer.status == http.client.NOT_FOUND:
            return False
        self._require(answer, (http.client.OK, *REDIRECTS), f"look for a blob of {name}")
        return True

    def upload(self, name: str, chunks: Iterable[bytes], size: int) -> str:
        """Upload ``size`` bytes as they come, and return their digest; what ``chunks`` raises ends it."""
        digest = hashlib.sha256()
        where = self._begin_upload(name)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        answer = self._ask("PATCH", name, where, _hashed(chunks, digest, self.deadline), headers)
        self._require(answer, (http.client.ACCEPTED, http.client.NO_CONTENT), f"upload to {name}")
        where = self._location(answer, where)
        named = f"sha256:{digest.hexdigest()}"
        closing = f"{where}{'&' if '?' in where else '?'}digest={quote(named, safe='')}"
        self._require(
            self._ask("PUT", name, closing), (http.client.CREATED,), f"complete an upload to {name}"
        )
        return named

    def put_blob(self, name: str, blob: Blob) -> None:
        """Have a small blob there."""
        if not self.has_blob(name, blob.digest):
            self.upload(name, (blob.data,), len(blob.data))

    def put_manifest(self, name: str, tag: str, manifest: Blob) -> None:
        """Make an image visible under its tag; all that it names must be there."""
        headers = {"Content-Type": manifest.media_type}
        answer = self._ask("PUT", name, f"/manifests/{tag}", manifest.data, headers)
        self._require(answer, (http.client.CREATED,), f"tag {name}:{tag}")

    def _begin_upload(self, name: str) -> str:
        answer = self._ask("POST", name, "/blobs/uploads/", b"")
        self._require(answer, (http.client.ACCEPTED,), f"begin an upload to {name}")
        return self._location(answer, "")

    def _location(self, answer: RegistryAnswer, before: str) -> str:
        """Return where an upload goes on: an absolute URL, of the registry itself."""
        where = urljoin(f"{self.settings.url}/", answer.headers.get("location") or before)
        try:
            place = Address.of(where).place
        except ValueError as error:
            place = str(error)
        if place != Address.of(self.settings.url).place:
            raise RegistryRefused(
                f"the registry {self.settings.host} has uploads go elsewhere: {place:.80}",
                "it must take them under its own name",
            )
        return where

    def _ask(
        self,
        method: str,
        name: str,
        where: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> RegistryAnswer:
        """Send a request about a repository, again with credentials where they are asked for."""
        url = where if "://" in where else f"{self.settings.url}/v2/{name}{where}"
        sent = dict(headers or {})
        if name in self._authorization:
            sent["Authorization"] = self._authorization[name]
        answer = self._send(method, url, body, sent)
        # A stream is gone; but it was let in when the upload was begun.
        if answer.status != http.client.UNAUTHORIZED or not isinstance(body, bytes | None):
            return answer
        self._authorization[name] = self._accepted_by(answer, name)
        return self._send(method, url, body, {**sent, "Authorization": self._authorization[name]})

    def _accepted_by(self, answer: RegistryAnswer, name: str) -> str:
        """Return the header that a registry which answered so wants to see."""
        challenge = challenge_in(answer.headers.get("www-authenticate", ""))
        if challenge.scheme == "basic":
            return self._basic()
        headers = {"Authorization": self._basic()} if self.settings.user else {}
        token_url = challenge.token_url(scope_of(name))
        if not self.settings.plain_http and not token_url.startswith("https://"):
            raise RegistryRefused(f"{challenge.realm!r:.80} is no https:// address", "tokens are secrets")
        given = self._send("GET", token_url, None, headers)
        self._require(given, (http.client.OK,), f"give a token for {name}")
        try:
            document = json.loads(given.body)
            return f"Bearer {document.get('token') or document['access_token']}"
        except (ValueError, KeyError, AttributeError, RecursionError) as error:
            raise RegistryRefused(
                f"{challenge.realm!r:.80} gives no token", "see its documentation"
            ) from error

    def _basic(self) -> str:
        pair = f"{self.settings.user}:{self.settings.password}".encode()
        return f"Basic {base64.b64encode(pair).decode()}"

    def _send(
        self, method: str, url: str, body: bytes | Iterator[bytes] | None, headers: Mapping[str, str]
    ) -> RegistryAnswer:
        """Send one request; RegistryUnavailable where no whole answer comes."""
        try:
            address = Address.of(url)
            connection = address.connection(self._context(), self.deadline.timeout(CALL_SECONDS))
            with contextlib.closing(connection):
                # A registry may refuse before all was sent: what it says is there to be read.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.request(method, address.target, body, dict(headers))
                answer = connection.getresponse()
                text = answer.read(ANSWER_BYTES)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise RegistryUnavailable(f"{self.settings.host}: {explained(error)}") from error
        return RegistryAnswer(answer.status, {key.lower(): value for key, value in answer.getheaders()}, text)

    def _context(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = tls_context(self.settings.authorities or None, only=False)
        return self._tls

    def _require(self, answer: RegistryAnswer, statuses: tuple[int, ...], what: str) -> None:
        """Raise unless the answer has one of ``statuses``: the registry did not ``what``."""
        if answer.status in statuses:
            return
        message = f"{self.settings.host} did not {what}: {answer.words}"
        if is_passing(answer.status):
            raise RegistryUnavailable(message)
        raise RegistryRefused(message, "spec.registry of the EngineStore names repository and credentials")


def _hashed(chunks: Iterable[bytes], digest: "hashlib._Hash", deadline: Deadline) -> Iterator[bytes]:
    for chunk in chunks:
        if deadline.passed:
            raise RegistryUnavailable(f"the upload took longer than {deadline.seconds:.0f} s")
        digest.update(chunk)
        yield chunk
