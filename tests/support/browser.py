"""
A headless Chromium for tests, spoken to over two pipes in its own protocol (Chrome DevTools Protocol).

    with browser(folder) as tab:
        tab.open(url, {"Authorization": "Bearer ..."})
        tab.value("document.title")
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PROGRAMS = ("chromium-headless-shell", "chromium", "google-chrome")
ANSWER_SECONDS = 30.0
BEGIN = """
import os, sys
orders, answers = (os.dup(int(number)) for number in sys.argv[1:3])
for end, number in ((orders, 3), (answers, 4)):
    os.dup2(end, number)
    os.set_inheritable(number, True)
os.execv(sys.argv[3], sys.argv[3:])
"""
"""Chromium reads orders from descriptor 3 and answers on 4; a shell names no descriptor beyond 9."""


def chromium() -> str | None:
    """Return the Chromium of this machine; None without one."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@dataclass
class Tab:
    """A tab of a running browser; ``complaints`` is what it logged, such as what a policy forbade."""

    process: subprocess.Popen[bytes]
    orders: int
    answers: int
    session: str = ""
    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    _sent: int = 0
    _rest: bytes = b""

    def open(self, url: str, headers: dict[str, str] | None = None) -> None:
        """Load a page, every request of it with ``headers``; as a proxy adds them that knows who asks."""
        self.do("Network.setExtraHTTPHeaders", headers=headers or {})
        with self.loading():
            self.do("Page.navigate", url=url)

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Wait at the end of the block until the document that it led to has loaded."""
        self.value("void (window.isLeft = true)")
        yield
        loaded = {"expression": "!window.isLeft && document.readyState === 'complete'"}
        deadline = time.monotonic() + ANSWER_SECONDS
        # Between two documents the protocol has nothing to ask, and answers with an error.
        while not self._answer("Runtime.evaluate", loaded).get("result", {}).get("result", {}).get("value"):
            assert time.monotonic() < deadline, "no other document has loaded"
            time.sleep(0.02)

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression is; the page's own policy does not bind the protocol."""
        answer = self.do("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str, code: int, text: str = "") -> None:
        """Press a key and let it go."""
        keys = {"key": key, "code": key, "windowsVirtualKeyCode": code, **({"text": text} if text else {})}
        self.do("Input.dispatchKeyEvent", type="keyDown", **keys)
        self.do("Input.dispatchKeyEvent", type="keyUp", **keys)

    def accessible(self) -> list[tuple[str, str]]:
        """Return role and name of all that a screen reader is told of, once there is more than a root."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while len(told := self._told()) < 2:
            # The tree is made after the page has loaded, when the browser finds the time.
            assert time.monotonic() < deadline, f"a screen reader is told of {told} alone"
            time.sleep(0.05)
        return told

    def _told(self) -> list[tuple[str, str]]:
        nodes = self.do("Accessibility.getFullAXTree")["nodes"]
        return [
            (node["role"]["value"], node.get("name", {}).get("value", ""))
            for node in nodes
            if not node["ignored"]
        ]

    def picture(self, file: Path) -> None:
        """Write what is seen as PNG."""
        file.write_bytes(b64decode(self.do("Page.captureScreenshot", format="png")["data"]))

    def do(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send an order and return its result."""
        message = self._answer(method, parameters)
        assert "error" not in message, message["error"]
        result: dict[str, Any] = message["result"]
        return result

    def _answer(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._sent += 1
        order = {"id": self._sent, "method": method, "params": parameters}
        if self.session:
            order["sessionId"] = self.session
        os.write(self.orders, json.dumps(order).encode() + b"\0")
        while True:
            message = self._take()
            if message.get("id") == self._sent:
                return message

    def _take(self) -> dict[str, Any]:
        deadline = time.monotonic() + ANSWER_SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self.answers], [], [], deadline - time.monotonic())
            assert ready, f"the browser said nothing for {ANSWER_SECONDS:.0f} s"
            chunk = os.read(self.answers, 1 << 16)
            assert chunk, f"the browser ended with {self.process.wait(timeout=10)}"
            self._rest += chunk
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, told: dict[str, Any]) -> None:
        if event == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif event == "Network.requestWillBeSent":
            self.requested.append(told["request"]["url"])


@contextlib.contextmanager
def browser(folder: Path, *, width: int = 1500, height: int = 900) -> Iterator[Tab]:
    """Run a browser with one tab until the block ends; its profile is in ``folder``."""
    program = chromium()
    assert program, "no Chromium here"
    order_end, orders = os.pipe()
    answers, answer_end = os.pipe()
    # As root it has no sandbox.
    command = [
        sys.executable, "-c", BEGIN, str(order_end), str(answer_end), program, "--headless", "--no-sandbox",
        "--disable-gpu", "--remote-debugging-pipe", "--ignore-certificate-errors", "--no-proxy-server",
        f"--user-data-dir={folder / 'profile'}", f"--window-size={width},{height}", "about:blank",
    ]  # fmt: skip
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(
            command, pass_fds=(order_end, answer_end), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
    os.close(order_end)
    os.close(answer_end)
    try:
        tab = Tab(process, orders, answers)
        target = tab.do("Target.createTarget", url="about:blank")["targetId"]
        tab.session = tab.do("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime", "Accessibility"):
            tab.do(f"{domain}.enable")
        yield tab
    finally:
        os.close(orders)
        os.close(answers)
        process.kill()
        process.wait(timeout=30)
