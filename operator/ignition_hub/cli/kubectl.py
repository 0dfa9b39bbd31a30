"""
The user's kubectl: for a token, the hub's certificate authority, and a way to the gateway.

Whatever the user may not do, kubectl says; its words are passed on.
"""

import queue
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ignition_hub.cli.errors import CliError, Unreachable
from ignition_hub.engine.names import AUDIENCE, AUTHORITY_CONFIG_MAP

GATEWAY = "ignition-hub-gateway"

CALL_SECONDS = 30.0
FORWARD_SECONDS = 20.0
TOKEN_LIFETIME = "1h"  # noqa: S105  # a duration
_NO_CLUSTER = ("current-context must exist", "server localhost:8080")
"""What kubectl says where no kubeconfig names a cluster."""

_FORWARDING = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+)")


@dataclass(frozen=True, slots=True)
class Kubectl:
    """One cluster, as kubectl reaches it; without ``context`` the user's current one."""

    context: str | None = None
    program: str = "kubectl"

    def namespace(self) -> str:
        """Return the namespace of the context."""
        found = self.run("config", "view", "--minify", "--output", "jsonpath={..namespace}")
        return found.strip() or "default"

    def token(self, namespace: str, account: str) -> str:
        """Return a short-lived token of a ServiceAccount that only the hub accepts."""
        words = ("--audience", AUDIENCE, "--duration", TOKEN_LIFETIME)
        return self.run("create", "token", account, "--namespace", namespace, *words).strip()

    def authority(self, hub: str) -> str:
        """Return the certificates, in PEM, that the gateway in namespace ``hub`` is checked with."""
        path = "jsonpath={.data.ca\\.crt}"
        found = self.run("get", "configmap", AUTHORITY_CONFIG_MAP, "--namespace", hub, "--output", path)
        if not found.strip():
            raise CliError(f"ConfigMap {AUTHORITY_CONFIG_MAP} in namespace {hub} has no ca.crt")
        return found

    @contextmanager
    def forward(self, hub: str) -> Iterator[int]:
        """Forward a free local port to the gateway for as long as the block runs."""
        command = self._command("port-forward", f"service/{GATEWAY}", ":443", "--namespace", hub)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            said: queue.Queue[str] = queue.Queue()
            # Reading goes on for as long as kubectl talks, or it would stand still on a full pipe.
            reader = threading.Thread(target=_listen, args=(process, said), daemon=True)
            reader.start()
            try:
                yield _forwarded_port(process, said)
            finally:
                process.terminate()
                reader.join(timeout=10)

    def run(self, *words: str) -> str:
        """Return what kubectl printed; raise CliError with its own words when it failed."""
        try:
            done = subprocess.run(
                self._command(*words), capture_output=True, text=True, check=False, timeout=CALL_SECONDS
            )
        except subprocess.TimeoutExpired as error:
            raise Unreachable(f"the cluster did not answer within {CALL_SECONDS:.0f} s") from error
        if done.returncode != 0:
            raise _failure(done.stderr)
        return done.stdout

    def _command(self, *words: str) -> list[str]:
        program = shutil.which(self.program)
        if program is None:
            raise CliError(f"{self.program} is not on the PATH: install it, or add its folder")
        return [program, *(["--context", self.context] if self.context else []), *words]


def _listen(process: subprocess.Popen[str], said: "queue.Queue[str]") -> None:
    for line in process.stdout or ():
        said.put(line)
    said.put("")


def _forwarded_port(process: subprocess.Popen[str], said: "queue.Queue[str]") -> int:
    """Wait for kubectl to say which port it listens on."""
    try:
        found = _FORWARDING.search(said.get(timeout=FORWARD_SECONDS))
    except queue.Empty as error:
        raise Unreachable(f"kubectl port-forward did not start within {FORWARD_SECONDS:.0f} s") from error
    if found is None:
        complaint = process.stderr.read() if process.stderr else ""
        raise _failure(
            complaint, remedy="if you may not forward ports, give the gateway's address: --gateway"
        )
    return int(found[1])


def _failure(complaint: str, remedy: str = "") -> CliError:
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    text = lines[-1].removeprefix("error: ") if lines else "kubectl failed and did not say why"
    if any(sign in text for sign in _NO_CLUSTER):
        remedy = "select a cluster: KUBECONFIG, or --context"
    text = f"{text} ({remedy})" if remedy else text
    away = ("unable to connect", "connection refused", "was refused", "i/o timeout", "no route to host")
    return Unreachable(text) if any(sign in text.lower() for sign in away) else CliError(text)
