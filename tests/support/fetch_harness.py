"""
A gateway and a store on the loopback that misbehave on demand, and a fetcher's run against them.
"""

import contextlib
import hashlib
import json
import re
import signal
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ignition_hub.fetch import app, place
from ignition_hub.wire import deadline

KIB = 1024
ENGINE = bytes(range(256)) * 4 * 160  # 160 KiB: ten parts of 16 KiB
SIGNATURE = "X-Amz-Signature=secret"


class Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """Say nothing: the fetcher hangs up on purpose where it gives up."""


class World:
    """Gateway and store in one server; tests put answers into ``resolves`` and faults into ``store``."""

    def __init__(self, folder):
        self.folder = folder
        self.content = ENGINE
        self.digest = hashlib.sha256(ENGINE).hexdigest()
        self.resolves = []  # (status, body) to answer before the real one
        self.store = []  # faults, one for each GET: a status, a header to redirect to, or "cut"
        self.tokens, self.asked, self.ranges = [], [], []
        self.reports, self.report_status, self.report_seconds = [], 204, 0.0
        self.extra = {}
        self.slow = 0.0
        self.server = Server(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.scheme = "http"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()
        (folder / "token").write_text("first")
        (folder / "termination").touch()

    @property
    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.server.server_port}"

    def answer(self):
        return {
            "name": "resnet",
            "file_name": "resnet_v1_fp16_sm_89_10.13.2.trt",
            "url": f"{self.url}/bucket/resnet.trt?{SIGNATURE}",
            "size": len(ENGINE),
            "sha256": self.digest,
            "gpu": {"arch": "sm_89", "product": "NVIDIA-L4"},
            **self.extra,
        }

    def handler(self):
        world = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/fetches":
                    world.reports.append((self.headers["Authorization"], json.loads(body)["engines"]))
                    time.sleep(world.report_seconds)
                    self.reply(world.report_status, b"")
                    return
                world.tokens.append(self.headers["Authorization"])
                world.asked.append(self.path)
                status, body = world.resolves.pop(0) if world.resolves else (200, world.answer())
                if status == 307:
                    self.reply(307, b"", Location=f"{world.url}/elsewhere")
                else:
                    self.reply(status, json.dumps(body).encode())

            def do_GET(self):
                first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
                world.ranges.append((first, last + 1))
                time.sleep(world.slow)
                fault = world.store.pop(0) if world.store else None
                data = world.content[first : last + 1]
                span = {"Content-Range": f"bytes {first}-{last}/{len(world.content)}"}
                if fault == "cut":
                    self.reply(206, data, sent=len(data) // 2, **span)
                    self.close_connection = True
                elif fault == 307:
                    self.reply(307, b"", Location=f"{world.url}/elsewhere")
                elif fault == 200:
                    self.reply(200, data)
                elif fault:
                    self.reply(fault, b"no")
                else:
                    self.reply(206, data, **span)

            def reply(self, status, body, *, sent=None, **headers):
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body[:sent])

            def log_message(self, *_):
                """Say nothing."""

        return Handler

    def environment(self, **changed):
        return {
            "IGNITION_GATEWAY_URL": self.url,
            "IGNITION_TOKEN_FILE": str(self.folder / "token"),
            "IGNITION_ENGINES": "model=resnet",
            "IGNITION_MOUNT": str(self.folder / "engines"),
            "IGNITION_DEADLINE_SECONDS": "20",
            "IGNITION_TERMINATION_LOG": str(self.folder / "termination"),
            **changed,
        }

    def run(self, **changed):
        return app.main(self.environment(**changed))

    @property
    def paths(self):
        return place.EnginePaths(self.folder / "engines" / "model")

    @property
    def message(self):
        return (self.folder / "termination").read_text()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextlib.contextmanager
def running_world(tmp_path, monkeypatch):
    """Give a world with short pauses and small parts, and the signals back afterwards."""
    monkeypatch.setattr(deadline, "FIRST_PAUSE", 0.002)
    monkeypatch.setattr(deadline, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(place, "PART_SIZE", 16 * KIB)
    before = signal.getsignal(signal.SIGTERM)
    made = World(tmp_path)
    try:
        yield made
    finally:
        made.close()
        signal.signal(signal.SIGTERM, before)


def nothing_is_visible(world):
    return not world.paths.engine.exists() and not world.paths.record.exists()
