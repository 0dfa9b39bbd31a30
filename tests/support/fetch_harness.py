"""
A gateway and a store on the loopback that misbehave on demand, and a fetcher's run against them.
"""

import contextlib
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from ignition_hub.fetch import app, arrivals, chunk_pool, place, transfer
from ignition_hub.wire import deadline
from loopbackserver import LoopbackServer

KIB = 1024
ENGINE = bytes(range(256)) * 4 * 160  # 160 KiB: ten parts of 16 KiB
SIGNATURE = "X-Amz-Signature=secret"


def content_range(first, last, size):
    return {"Content-Range": f"bytes {first}-{last}/{size}"}


LIES = {
    "more bytes than asked for": lambda first, last, whole: (
        206,
        whole[first : last + 1] + b"more",
        content_range(first, last, len(whole)),
    ),
    "fewer bytes than asked for": lambda first, last, whole: (
        206,
        whole[first:last],
        content_range(first, last, len(whole)),
    ),
    "another range": lambda first, last, whole: (
        206,
        whole[: last + 1 - first],
        content_range(0, last - first, len(whole)),
    ),
    "no range": lambda first, last, whole: (206, whole[first : last + 1], {}),
    "no size": lambda first, last, whole: (
        206,
        whole[first : last + 1],
        {"Content-Range": f"bytes {first}-{last}/*"},
    ),
    "beyond its end": lambda first, _, whole: (416, b"", {"Content-Range": f"bytes */{first}"}),
    "beyond an end it does not name": lambda *_: (416, b"", {}),
    "bytes of another place": lambda first, last, whole: (
        206,
        whole[:first][: last + 1 - first].ljust(last + 1 - first, b"?"),
        content_range(first, last, len(whole)),
    ),
}
"""Answers that are not what was asked for: of (first, last, object), the status, body and headers."""


class World:
    """Gateway and store in one server; tests put answers into ``resolves`` and faults into ``store``."""

    def __init__(self, folder):
        self.folder = folder
        self.content = ENGINE
        self.objects = {}  # other bytes at some paths
        self.digest = hashlib.sha256(ENGINE).hexdigest()
        self.resolves = []  # (status, body) to answer before the real one
        self.store = []  # faults, one for each GET: a status, "cut", "stuck", or the name of one in LIES
        self.tokens, self.asked, self.ranges = [], [], []
        self.peers = set()  # of the GETs: one for each connection
        self.reports, self.report_status, self.report_seconds = [], 204, 0.0
        self.extra = {}
        self.slow = 0.0
        self.pace = 0  # bytes a second of the whole store; 0 is as fast as it can
        self.lock = threading.Lock()
        self.hangs_from = None  # the byte of the object from which on GETs are not answered
        self.going_on = threading.Event()
        self.server = LoopbackServer(type("OfThisWorld", (Handler,), {"world": self}))
        self.server.start()
        (folder / "token").write_text("first")
        (folder / "termination").touch()

    @property
    def url(self):
        return self.server.url

    def answer(self):
        return {
            "name": "resnet",
            "file_name": "resnet_v1_fp16_sm_89_10.13.2.trt",
            "url": f"{self.url}/bucket/resnet.trt?{SIGNATURE}",
            "size": len(ENGINE),
            "sha256": self.digest,
            "gpu": {"arch": "sm_89", "product": "NVIDIA-L4", "platform": "linux-x86_64"},
            **self.extra,
        }

    def false_answer(self, fault, first, last):
        """Return status, body and headers of a fault that ``store`` names."""
        if fault in LIES:
            return LIES[fault](first, last, self.content)
        if fault == 307:
            return 307, b"", {"Location": f"{self.url}/elsewhere"}
        return fault, self.content[first : last + 1] if fault == 200 else b"no", {}

    def send(self, file, body):
        """Write ``body`` at the pace of the store, which all connections share."""
        step = 4 * KIB if self.pace else max(1, len(body))
        for at in range(0, len(body), step):
            piece = body[at : at + step]
            if self.pace:
                with self.lock:
                    time.sleep(len(piece) / self.pace)
            file.write(piece)

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
        self.going_on.set()
        self.server.stop()


class Handler(BaseHTTPRequestHandler):
    """Answers one connection as ``world`` says, which each world sets in a class of its own."""

    world: World
    protocol_version = "HTTP/1.1"
    answers_of_a_connection = 10000
    answered = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/fetches":
            self.report(json.loads(body)["engines"])
        else:
            self.resolve()

    def report(self, engines):
        self.world.reports.append((self.headers["Authorization"], engines))
        time.sleep(self.world.report_seconds)
        self.reply(self.world.report_status, b"")

    def resolve(self):
        world = self.world
        world.tokens.append(self.headers["Authorization"])
        world.asked.append(self.path)
        status, body = world.resolves.pop(0) if world.resolves else (200, world.answer())
        if status == 307:
            self.reply(307, b"", Location=f"{world.url}/elsewhere")
        else:
            self.reply(status, json.dumps(body).encode())

    def do_GET(self):
        world = self.world
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        world.ranges.append((first, last + 1))
        if world.hangs_from is not None and first >= world.hangs_from:
            world.going_on.wait(20)
            self.close_connection = True
            return
        world.peers.add(self.client_address)
        time.sleep(world.slow)
        self.reply_with(world.store.pop(0) if world.store else None, first, last)

    def reply_with(self, fault, first, last):
        """Answer a GET for a range with what it asks for, or with a fault that ``World.store`` names."""
        content = self.world.objects.get(self.path, self.world.content)
        data = content[first : last + 1]
        span = content_range(first, last, len(content))
        if fault == "cut":
            self.reply(206, data, sent=len(data) // 2, **span)
            self.close_connection = True
        elif fault == "stuck":
            self.reply(206, data, sent=len(data) // 2, Connection="close", **span)
            self.world.going_on.wait(20)
        elif fault:
            status, body, headers = self.world.false_answer(fault, first, last)
            self.reply(status, body, **headers)
        else:
            self.reply(206, data, **span)

    def reply(self, status, body, *, sent=None, **headers):
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.world.send(self.wfile, body[:sent])
        self.answered += 1
        # Closed without a word in the header: the other side notices when it asks again.
        self.close_connection = self.close_connection or self.answered == self.answers_of_a_connection

    def log_message(self, *_):
        """Say nothing."""


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


def pausing_at_the_deadline(monkeypatch):
    """Have the deadline come in the third pause, so that no question is cut off by it, slow as it may be."""
    monkeypatch.setattr(
        deadline.Deadline, "pause", lambda self, attempt: time.sleep(self.left if attempt > 2 else 0.002)
    )


def publish_large(world, monkeypatch):
    """Have the store give 1 MiB bit by bit, in two parts of eight chunks; returns bytes and ranges."""
    world.pace = 20_000_000
    monkeypatch.setattr(place, "PART_SIZE", 512 * KIB)
    for module in (chunk_pool, transfer):
        monkeypatch.setattr(module, "CHUNK", 64 * KIB)
    monkeypatch.setattr(arrivals, "BATCH", 48 * KIB)
    world.content = random.Random(1).randbytes(1024 * KIB)
    digest = hashlib.sha256(world.content).hexdigest()
    world.extra = {"size": len(world.content), "sha256": digest}
    return world.content, [(0, 512 * KIB), (512 * KIB, 1024 * KIB)]


def nothing_is_visible(world):
    return not world.paths.engine.exists() and not world.paths.record.exists()


def replaced_after_transfer(path, content=b"\0"):
    """Return a ``transfer`` after which another writer has a file of its own at ``path``, or took it away."""

    def moved(*arguments):
        digest = transfer.transfer(*arguments)
        path.unlink(missing_ok=True)
        if content is not None:
            path.write_bytes(content)
        return digest

    return moved


PROGRAM = """
import os, resource, sys
from ignition_hub.fetch import app, arrivals, chunk_pool, place, transfer
place.PART_SIZE = int(sys.argv[1])
exec(sys.argv[2])
sys.exit(app.main(os.environ))
"""
AGAIN_AND_AGAIN = """
while (child := os.fork()):
    print(child, flush=True)
    if os.waitpid(child, 0)[1] == 0:
        sys.exit(0)
"""
"""Runs the fetcher until it ends well, and prints the id of each process before."""


def started(world, *, part_size=16 * KIB, before=""):
    """Start a fetcher in a process of its own, after the statement ``before``."""
    path = str(Path(app.__file__).parents[2])
    environment = {**os.environ, **world.environment(), "PYTHONPATH": path}
    command = [sys.executable, "-c", PROGRAM, str(part_size), before]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)


def wait_for(condition):
    until = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.005)


def finished_parts(world):
    return json.loads(world.paths.journal.read_text())["finished"] if world.paths.journal.exists() else []
