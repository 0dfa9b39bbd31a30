"""
kubectl as a Python object: one cluster, JSON in, JSON out, a deadline on every call.

Everything the demo and the end-to-end tests do to a cluster goes through here, so what they do is what a
person could type.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

Json = dict[str, Any]
T = TypeVar("T")


class KubectlError(RuntimeError):
    """kubectl said no; the text is what it printed."""


@dataclass(frozen=True)
class Kubectl:
    """kubectl bound to one kubeconfig."""

    kubeconfig: Path
    program: str = "kubectl"

    def run(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run one command and return what it printed; raise ``KubectlError`` when it fails."""
        done = subprocess.run(
            [self.program, *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env=self.environment,
        )
        if done.returncode != 0:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    @property
    def environment(self) -> dict[str, str]:
        """The environment in which kubectl, and plugins that call it, find this cluster."""
        folder = str(Path(self.program).parent)
        path = os.environ["PATH"]
        return os.environ | {
            "KUBECONFIG": str(self.kubeconfig),
            "PATH": path if folder == "." else f"{folder}{os.pathsep}{path}",
        }

    def apply(self, *documents: Json, namespace: str | None = None) -> str:
        """Apply documents as one list."""
        scope = ("-n", namespace) if namespace else ()
        return self.run("apply", *scope, "-f", "-", stdin=json.dumps(as_list(documents)))

    def get(self, kind: str, name: str, namespace: str | None = None) -> Json | None:
        """Return one object, or None when there is none."""
        scope = ("-n", namespace) if namespace else ()
        out = self.run("get", kind, name, *scope, "-o", "json", "--ignore-not-found")
        found: Json | None = json.loads(out) if out.strip() else None
        return found

    def list(self, kind: str, namespace: str | None = None, labels: str | None = None) -> list[Json]:
        """Return the objects of a kind, in one namespace or in all of them."""
        scope = ("-n", namespace) if namespace else ("-A",)
        selector = ("-l", labels) if labels else ()
        items: list[Json] = json.loads(self.run("get", kind, *scope, *selector, "-o", "json"))["items"]
        return items

    def delete(self, kind: str, name: str, namespace: str | None = None, *, wait: bool = True) -> None:
        """Delete an object; one that is not there is fine."""
        scope = ("-n", namespace) if namespace else ()
        self.run(
            "delete", kind, name, *scope, "--ignore-not-found", f"--wait={str(wait).lower()}", timeout=180
        )

    def logs(self, *arguments: str) -> str:
        """Return the logs kubectl prints for these arguments."""
        return self.run("logs", *arguments)

    def execute(self, namespace: str, pod: str, *command: str, container: str | None = None) -> str:
        """Run a command in a pod and return what it printed."""
        chosen = ("-c", container) if container else ()
        return self.run("exec", "-n", namespace, pod, *chosen, "--", *command)

    @contextmanager
    def forward(self, namespace: str, what: str, port: int) -> Iterator[int]:
        """Forward a free local port to ``what`` (``svc/name``) and give its number."""
        process = subprocess.Popen(
            [self.program, "port-forward", "-n", namespace, what, f":{port}", "--address", "127.0.0.1"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=self.environment,
        )
        try:
            yield forwarded_port(process)
        finally:
            process.terminate()
            process.wait(timeout=10)
            if process.stdout:
                process.stdout.close()


def forwarded_port(process: "subprocess.Popen[str]") -> int:
    """Read the local port from the first line that ``kubectl port-forward`` prints."""
    line = process.stdout.readline() if process.stdout else ""
    if not line.startswith("Forwarding from"):
        raise KubectlError(f"kubectl port-forward: {line.strip()}")
    return int(line.split("->")[0].rsplit(":", 1)[1])


def as_list(documents: tuple[Json, ...]) -> Json:
    """Wrap documents into a v1 List."""
    return {"apiVersion": "v1", "kind": "List", "items": list(documents)}


def eventually(question: Callable[[], T | None], *, within: float, what: str, every: float = 0.5) -> T:
    """Ask until there is a true answer, and return it; fail naming ``what`` was waited for."""
    deadline = time.monotonic() + within
    while True:
        if answer := question():
            return answer
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within:.0f} s for {what}")
        time.sleep(every)
