"""
A gateway and a store for one builder, on loopback: what it asks is noted, what it gets can be spoiled.

``stumble`` makes the next answers of one kind of call fail; everything else works as the real ones do.
"""

import contextlib
import hashlib
import json
import re
import threading
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler
from typing import Any

from ignition_hub.engine.request import BuildGrant, BuildRequest, GrantedFile
from loopbackserver import LoopbackServer

TOKEN = "the-token"
SELF = "/v1/builds/self"


class FakeGateway:
    """
    Serves ``request``, ``model`` and ``files`` (role and name to bytes). After a run: ``calls`` counts,
    ``failures``, ``progress`` and ``completed`` hold the bodies, ``engine`` the bytes that were uploaded.
    """

    def __init__(
        self, request: BuildRequest, model: bytes, files: dict[tuple[str, str], bytes] | None = None
    ) -> None:
        self.request, self.model = request, model
        self.files = files or {}
        self.max_model_bytes = 1 << 30
        self.granted_size: int | None = None
        self.calls: Counter[str] = Counter()
        self.stumbles: dict[str, list[Any]] = defaultdict(list)
        self.tokens: set[str] = {TOKEN}
        self.progress: list[dict[str, Any]] = []
        self.failures: list[dict[str, Any]] = []
        self.completed: list[dict[str, Any]] = []
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.timing_cache: bytes | None = None
        self.part_reached = threading.Event()
        self.hold_parts = threading.Event()
        self.hold_parts.set()
        self._server = LoopbackServer(Handler)
        self._server.gateway = self  # type: ignore[attr-defined]

    def __enter__(self) -> "FakeGateway":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.hold_parts.set()
        self._server.stop()

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def engine(self) -> bytes:
        parts = self.uploads[self.completed[-1]["upload_id"]]
        return b"".join(parts[number] for number in sorted(parts))

    def stumble(self, call: str, *how: Any) -> None:
        """Let the next calls of this kind go wrong: a status, (status, body), "drop" (unheard), "lost"
        (done, the answer lost) or "cut" (half a model)."""
        self.stumbles[call].extend(how)

    def grant(self) -> dict[str, Any]:
        size = len(self.model) if self.granted_size is None else self.granted_size
        files = tuple(
            GrantedFile(role, name, f"{self.url}/file/{index}", len(data), etag=etag_of(data))
            for index, ((role, name), data) in enumerate(self.files.items())
        )
        url, etag = f"{self.url}/model", etag_of(self.model)
        return BuildGrant(self.request, url, size, self.max_model_bytes, files, etag).to_json()

    def begin_upload(self, wanted: dict[str, Any]) -> dict[str, Any]:
        upload_id = f"upload-{len(self.uploads) + 1}"
        self.uploads[upload_id] = {}
        count = -(-wanted["size"] // wanted["part_size"])
        parts = [{"number": n, "url": f"{self.url}/part/{upload_id}/{n}"} for n in range(1, count + 1)]
        return {"upload_id": upload_id, "key": f"engines/{wanted['sha256'][:16]}", "parts": parts}

    def stored_timing_cache(self) -> dict[str, Any]:
        data = self.timing_cache
        there = {"url": f"{self.url}/stored", "etag": etag_of(data), "size": len(data)} if data else {}
        return {"key": "it.cache", "url": None, "etag": None, "size": None, **there}

    def timing_cache_upload(self, wanted: dict[str, Any]) -> dict[str, Any]:
        condition = {"If-Match": f'"{wanted["etag"]}"'} if wanted["etag"] else {"If-None-Match": "*"}
        headers = {"Content-Length": str(wanted["size"]), **condition}
        return {"url": f"{self.url}/keep", "headers": headers}

    def keeps(self, data: bytes, headers: Any) -> bool:
        """Write the timing cache as the store would: only over what the writer has seen."""
        seen = headers["If-Match"].strip('"') if "If-Match" in headers else None
        if seen != (etag_of(self.timing_cache) if self.timing_cache else None):
            return False
        self.timing_cache = data
        return True


def etag_of(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def gateway(self) -> FakeGateway:
        return self.server.gateway  # type: ignore[attr-defined,no-any-return]

    def do_GET(self) -> None:
        self._serve("grant" if self.path == f"{SELF}?if-match=true" else self.path.split("/")[1], b"")

    def do_POST(self) -> None:
        self._serve(self.path.removeprefix(f"{SELF}/"), self._body())

    def do_PUT(self) -> None:
        self.gateway.part_reached.set()
        with contextlib.suppress(ConnectionError):
            body = self._body()
            self.gateway.hold_parts.wait(20)
            self._serve(self.path.split("/")[1], body)

    def _serve(self, call: str, body: bytes) -> None:
        self.gateway.calls[call] += 1
        how = self.gateway.stumbles[call].pop(0) if self.gateway.stumbles[call] else None
        if how == "drop":
            self.close_connection = True
        elif isinstance(how, int):
            self._answer(how, {})
        elif isinstance(how, tuple):
            self._answer(*how)
        elif call == "model":
            self._signed_object(self.gateway.model, cut=how == "cut")
        elif call == "file":
            data = list(self.gateway.files.values())[int(self.path.rsplit("/", 1)[-1])]
            self._signed_object(data, cut=how == "cut")
        elif call == "stored":
            self._object(self.gateway.timing_cache or b"", cut=how == "cut")
        elif call == "part":
            self._part(body)
        elif call == "keep":
            kept = self.gateway.keeps(body, self.headers)
            if how == "lost":
                self.close_connection = True
            else:
                self._answer(200 if kept else 412, {})
        elif self.headers.get("Authorization", "").removeprefix("Bearer ") not in self.gateway.tokens:
            self._answer(401, {"reason": "TokenRejected", "message": "the token is not valid"})
        else:
            self._ask(call, json.loads(body or b"{}"), lost=how == "lost")

    def _ask(self, call: str, document: dict[str, Any], *, lost: bool) -> None:
        if call == "grant":
            self._answer(200, self.gateway.grant())
        elif call == "upload":
            self._answer(200, self.gateway.begin_upload(document))
        elif call == "timing-cache":
            self._answer(200, self.gateway.stored_timing_cache())
        elif call == "timing-cache/upload":
            self._answer(200, self.gateway.timing_cache_upload(document))
        elif call == "complete":
            self.gateway.completed.append(document)
            if lost:
                self.close_connection = True
                return
            self._answer(200, {"uri": "s3://engines/it.trt", "manifest_key": "it.trt.json"})
        else:
            {"progress": self.gateway.progress, "failed": self.gateway.failures}[call].append(document)
            self._answer(204, None)

    def _signed_object(self, whole: bytes, *, cut: bool) -> None:
        """Answer as a store does to a URL that signs ``If-Match``."""
        tag = self.headers.get("If-Match")
        if tag is None:
            self._answer(403, {})
        elif tag != f'"{etag_of(whole)}"':
            self._answer(412, {})
        else:
            self._object(whole, cut=cut)

    def _object(self, whole: bytes, *, cut: bool) -> None:
        start = int((re.findall(r"bytes=(\d+)-", self.headers.get("Range", "")) or [0])[0])
        data, total = whole[start:], len(whole)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.send_header("ETag", f'"{etag_of(whole)}"')
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if cut else data)
        self.close_connection = cut

    def _part(self, body: bytes) -> None:
        _, _, upload_id, number = self.path.split("/")
        self.gateway.uploads[upload_id][int(number)] = body
        self.send_response(200)
        self.send_header("ETag", f'"{hashlib.md5(body).hexdigest()}"')
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, status: int, document: Any) -> None:
        data = b"" if document is None else json.dumps(document).encode()
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def log_message(self, *_: object) -> None:
        pass
