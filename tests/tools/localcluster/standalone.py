"""
A control plane alone, for tests: no root, no nodes, random ports, nothing left behind.

    with ControlPlane.start() as control_plane:
        control_plane.kubectl("apply", "-f", "crds/")

Pods can be created and read but never run: a test plays the scheduler, the kubelet or the Job controller.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from localcluster.build import build
from localcluster.control_plane import (
    ControlPlaneSettings,
    Program,
    create_credentials,
    programs,
    wait_ready,
)
from localcluster.errors import LocalClusterError
from localcluster.paths import binary
from localcluster.processes import log_tail, spawn

_ATTEMPTS = 3
# Ends the programs when this process dies without a word: the kernel then closes its end of the pipe.
_WATCHDOG = 'trap "" TERM INT; read -r _; kill -KILL "$@" 2>/dev/null; rm -rf "$FOLDER"'


@dataclass(slots=True)
class ControlPlane:
    """A running control plane; leave the ``with`` block or call ``stop`` to end it."""

    settings: ControlPlaneSettings
    kubeconfig: Path
    """Kubeconfig of an administrator."""
    server: str
    """URL of the API server."""
    ca: Path
    """PEM file of the authority that signed the server's certificate."""
    _running: list[tuple[str, subprocess.Popen[bytes]]] = field(default_factory=list)
    _watchdog: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, *, controllers: bool = False, authentication: Path | None = None) -> ControlPlane:
        """
        Start etcd and the API server and wait until it is ready; build them first when that was never done.

        Args:
            controllers: run the controller manager too, which service accounts, Jobs and the deletion
                of namespaces need.
            authentication: a file of kind AuthenticationConfiguration, which says who signs people in.

        Raises:
            LocalClusterError: a program died or was not ready in time; carries the end of its log.
        """
        build("control-plane")
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return cls._start(controllers=controllers, authentication=authentication)
            except _PortTakenError:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError("unreachable: the last attempt returns or raises")

    @classmethod
    def _start(cls, *, controllers: bool, authentication: Path | None) -> ControlPlane:
        folder = Path(tempfile.mkdtemp(prefix="localcluster-"))
        settings = _settings(folder, controllers=controllers, authentication=authentication)
        credentials = create_credentials(settings)
        authority = credentials.authority.certificate
        started = cls(settings, settings.kubeconfig, settings.server, authority)
        try:
            started._run(programs(settings, credentials))
            wait_ready(settings, authority, running=started._raise_if_dead)
            if controllers:
                started._wait_for_service_account()
        except BaseException:
            started.stop()
            raise
        return started

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True) -> str:
        """
        Run kubectl as administrator; return what it printed.

        Raises:
            LocalClusterError: it failed and ``check`` is set; carries its error output.
        """
        return run_kubectl(self.kubeconfig, arguments, stdin=stdin, check=check)

    def log(self, program: str) -> str:
        """The whole log of ``etcd``, ``kube-apiserver`` or ``kube-controller-manager`` so far."""
        return self.settings.log(program).read_text(errors="replace")

    def stop(self) -> None:
        """End every program and remove the folder; a second call does nothing."""
        for _, process in reversed(self._running):
            process.kill()  # the data goes with it, and a graceful end would take five seconds
            process.wait()
        self._running.clear()
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None
        shutil.rmtree(self.settings.folder, ignore_errors=True)

    def __enter__(self) -> ControlPlane:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self, wanted: Iterable[Program]) -> None:
        for program in wanted:
            self._running.append((program.name, spawn(program.command, self.settings.log(program.name))))
        self._watchdog = subprocess.Popen(
            ["sh", "-c", _WATCHDOG, "watchdog", *(str(process.pid) for _, process in self._running)],
            stdin=subprocess.PIPE,
            env={**os.environ, "FOLDER": str(self.settings.folder)},
            start_new_session=True,
        )

    def _wait_for_service_account(self) -> None:
        """Until then every pod is refused."""
        self.kubectl("wait", "--for=create", "serviceaccount/default", "--namespace=default", "--timeout=30s")

    def _raise_if_dead(self) -> None:
        for name, process in self._running:
            if process.poll() is not None:
                tail = log_tail(self.settings.log(name))
                kind = _PortTakenError if "address already in use" in tail else LocalClusterError
                raise kind(f"{name} ended with status {process.returncode}:\n{tail}")


class _PortTakenError(LocalClusterError):
    """Somebody else took a port between choosing it and binding it."""


def run_kubectl(
    kubeconfig: Path, arguments: Iterable[str], *, stdin: str | None = None, check: bool = True
) -> str:
    """Run the built kubectl against a cluster; see ``ControlPlane.kubectl``."""
    command = [str(binary("kubectl")), f"--kubeconfig={kubeconfig}", *arguments]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=300, check=False)
    if check and done.returncode != 0:
        raise LocalClusterError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def free_ports(count: int) -> list[int]:
    """So many TCP ports of the loopback address that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


def _settings(folder: Path, *, controllers: bool, authentication: Path | None) -> ControlPlaneSettings:
    api_port, etcd_port, peer_port = free_ports(3)
    return ControlPlaneSettings(
        folder=folder,
        address="127.0.0.1",
        api_port=api_port,
        etcd_port=etcd_port,
        etcd_peer_port=peer_port,
        services="10.96.0.0/16",
        first_service="10.96.0.1",
        controllers=controllers,
        authentication=authentication,
    )
