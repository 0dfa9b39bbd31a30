"""
A mutating webhook for a real API server: HTTPS on this machine, answered by a function of the test.

The API server calls it at its URL, in the order of the configurations' names, as it does with any other.
"""

import base64
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from localcluster.certificates import create_authority
from loopbackserver import LoopbackServer

Json = dict[str, Any]
Answer = Callable[[Json], Json]
"""Takes an AdmissionReview, returns an AdmissionReview."""
Kubectl = Callable[..., str]
"""Runs kubectl with these arguments, and with what it reads as ``stdin``."""


@contextmanager
def webhook(kubectl: Kubectl, name: str, namespace: str, answer: Answer, folder: Path) -> Iterator[None]:
    """Have the API server of ``kubectl`` ask ``answer`` about every pod that is created in ``namespace``."""
    authority = create_authority(folder)
    pair = authority.issue("webhook", common_name="webhook", hosts=["127.0.0.1"])
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(pair.certificate, pair.key)
    with LoopbackServer(handler(answer), tls) as server:
        document = configuration(name, namespace, server.server_port, authority.certificate.read_bytes())
        try:
            kubectl("create", "-f", "-", stdin=json.dumps(document))
            yield
        finally:
            kubectl("delete", "mutatingwebhookconfiguration", name)


def configuration(name: str, namespace: str, port: int, authority: bytes) -> Json:
    """Return a configuration like that of the chart, for one namespace."""
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [
            {
                "name": f"{name}.example.com",
                "admissionReviewVersions": ["v1"],
                "rules": [
                    {
                        "apiGroups": [""],
                        "apiVersions": ["v1"],
                        "resources": ["pods"],
                        "operations": ["CREATE"],
                    }
                ],
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}},
                "reinvocationPolicy": "IfNeeded",
                "sideEffects": "None",
                "timeoutSeconds": 10,
                "failurePolicy": "Fail",
                "clientConfig": {
                    "url": f"https://127.0.0.1:{port}/mutate",
                    "caBundle": base64.b64encode(authority).decode(),
                },
            }
        ],
    }


def handler(answer: Answer) -> type[BaseHTTPRequestHandler]:
    """Return a request handler that answers with ``answer``."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            content = json.dumps(answer(json.loads(body))).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
