"""
A real API server for the tests of this layer, with our CRDs, started once and gone at the end.

Nothing here ever speaks to a cluster it did not start: ``KUBECONFIG`` is set to the started one for the whole
session, and a kubeconfig that names anything else stops the session.
"""

import base64
import http.client
import json
import math
import os
import ssl
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import pytest

from localcluster import ControlPlane
from oidcissuer import Issuer, running_issuer
from s3server import CHOSEN

CRDS = Path(__file__).resolve().parents[2] / "crds"
CONTEXT = "localcluster"
PLURALS = {
    "TensorRTEngine": "tensorrtengines",
    "BuildPool": "buildpools",
    "EngineStore": "enginestores",
    "Namespace": "namespaces",
    "ResourceQuota": "resourcequotas",
}

IDLE_SECONDS = 60.0
"""The API server closes a connection that nobody used for longer than a few minutes."""


@dataclass
class Answer:
    """What the API server said: the status code and the document."""

    status: int
    body: dict[str, Any]

    @property
    def message(self) -> str:
        """The message of a refusal."""
        return str(self.body.get("message", ""))


@dataclass
class Api:
    """The HTTP API as administrator; one connection, documents in and out, no client's opinion in between."""

    server: str
    tls: ssl.SSLContext
    _connection: http.client.HTTPSConnection | None = field(default=None, repr=False)
    _asked: float = field(default=-math.inf, repr=False)

    def ask(
        self, method: str, path: str, body: Any = None, *, media: str = "application/json", accept: str = ""
    ) -> Answer:
        """Send one request; the answer may be a refusal."""
        if self._connection and time.monotonic() - self._asked > IDLE_SECONDS:
            self._connection.close()
            self._connection = None
        self._asked = time.monotonic()
        connection = self._connection = self._connection or self._connect()
        headers = {"Content-Type": media, "Accept": accept or "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        return Answer(answer.status, json.loads(answer.read()))

    def create(self, body: Mapping[str, Any], *, keep: bool = False) -> Answer:
        """Create an object, by default as a dry run: every check is made and nothing is kept."""
        query = {"fieldValidation": "Strict"} | ({} if keep else {"dryRun": "All"})
        return self.ask("POST", f"{self.path(body)}?{urlencode(query)}", body)

    def path(self, body: Mapping[str, Any], name: str = "") -> str:
        """Return the path of an object's collection, or of the object itself."""
        group, namespace = body["apiVersion"], body["metadata"].get("namespace")
        root = f"/apis/{group}" if "/" in group else f"/api/{group}"
        scope = f"/namespaces/{namespace}" if namespace else ""
        return f"{root}{scope}/{PLURALS[body['kind']]}" + (f"/{name}" if name else "")

    def close(self) -> None:
        """Close the connection."""
        if self._connection:
            self._connection.close()

    def _connect(self) -> http.client.HTTPSConnection:
        parts = urlsplit(self.server)
        assert parts.hostname
        return http.client.HTTPSConnection(parts.hostname, parts.port, context=self.tls, timeout=30)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expect of each test that fails on the chosen S3 server that it fails."""
    for item in items:
        for named, strict in ((CHOSEN.fails, True), (CHOSEN.may_fail, False)):
            if reason := named.get(item.name) or named.get(item.name.partition("[")[0]):
                told = f"{CHOSEN.name} {CHOSEN.version}: {reason}"
                item.add_marker(pytest.mark.xfail(reason=told, strict=strict))


@pytest.fixture(scope="session")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """Who signs in the people of that server."""
    with running_issuer(tmp_path_factory.mktemp("issuer")) as issuer:
        yield issuer


@pytest.fixture(scope="session")
def control_plane(issuer: Issuer) -> Iterator[ControlPlane]:
    """A running API server that serves our kinds."""
    started = ControlPlane.start(authentication=issuer.configuration)
    with started, pytest.MonkeyPatch.context() as environment:
        refuse_strangers(started.kubeconfig)
        environment.setenv("KUBECONFIG", str(started.kubeconfig))
        started.kubectl("apply", "--server-side", "-f", str(CRDS))
        started.kubectl("wait", "--for=condition=Established", "--timeout=30s", "crd", "--all")
        yield started


@pytest.fixture(scope="session")
def api(control_plane: ControlPlane) -> Iterator[Api]:
    """The HTTP API of that server."""
    tls = client_tls(json.loads(control_plane.kubeconfig.read_text()))
    with closing(Api(control_plane.server, tls)) as api:
        yield api


@pytest.fixture
def namespace(api: Api) -> str:
    """A namespace of the test's own."""
    name = f"test-{uuid4().hex[:12]}"
    answer = api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, keep=True)
    assert answer.status == 201, answer.message
    return name


def refuse_strangers(kubeconfig: Path) -> None:
    """Stop the session unless ``kubeconfig`` speaks of a cluster of ours on this machine."""
    document = json.loads(kubeconfig.read_text())
    servers = {urlsplit(each["cluster"]["server"]).hostname for each in document["clusters"]}
    if document["current-context"] != CONTEXT or servers != {"127.0.0.1"}:
        pytest.exit(f"refusing the unknown kube context {document['current-context']!r} at {servers}", 2)


def client_tls(kubeconfig: Mapping[str, Any]) -> ssl.SSLContext:
    """Return a TLS context with the administrator's certificate of ``kubeconfig``."""
    authority = kubeconfig["clusters"][0]["cluster"]["certificate-authority-data"]
    user = kubeconfig["users"][0]["user"]
    tls = ssl.create_default_context(cadata=base64.b64decode(authority).decode())
    with tempfile.TemporaryDirectory() as folder:
        pair = Path(folder, "pair.pem")
        pair.touch(mode=0o600)
        pair.write_bytes(
            base64.b64decode(user["client-certificate-data"])
            + os.linesep.encode()
            + base64.b64decode(user["client-key-data"])
        )
        tls.load_cert_chain(pair)
    return tls
