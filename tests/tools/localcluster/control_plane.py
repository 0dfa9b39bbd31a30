"""
The control plane: etcd, API server and, when asked for, controller manager and scheduler.

Here is what runs and how it is told to. ``standalone`` runs it alone, without root and without nodes;
``cluster`` runs the same programs inside a cluster with nodes.
"""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from localcluster.certificates import Authority, KeyPair, create_authority, create_signing_key
from localcluster.errors import LocalClusterError
from localcluster.kubeconfig import write_kubeconfig
from localcluster.paths import binary
from localcluster.processes import log_tail

READY_SECONDS = 60.0
"""How long an API server may take: about three seconds, many more on a machine busy with other work."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run: its name, which is also its log's, and its whole command line."""

    name: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ControlPlaneSettings:
    """Where one control plane lives and listens."""

    folder: Path
    address: str
    """The IP address the API server binds to and advertises."""
    api_port: int
    etcd_port: int
    etcd_peer_port: int
    services: str
    """CIDR of ClusterIPs."""
    first_service: str
    """The ClusterIP of the API server itself: the first address of ``services``."""
    controllers: bool
    """Run the controller manager: service accounts, namespaces that can be deleted, Jobs, …"""
    pods: str = ""
    """CIDR of pods; empty when there are no nodes."""
    scheduler: bool = False
    authentication: Path | None = None
    """A file of kind AuthenticationConfiguration: who signs people in."""

    @property
    def server(self) -> str:
        """URL of the API server."""
        return f"https://{self.address}:{self.api_port}"

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of the administrator (group ``system:masters``)."""
        return self.folder / "admin.kubeconfig"

    def log(self, name: str) -> Path:
        """The log file of one program."""
        return self.folder / "log" / f"{name}.log"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Every key of a control plane."""

    authority: Authority
    server: KeyPair
    kubelet_client: KeyPair
    service_accounts: KeyPair


def create_credentials(settings: ControlPlaneSettings) -> Credentials:
    """Make the authority, all certificates and a kubeconfig for every client."""
    authority = create_authority(settings.folder / "pki")
    hosts = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ]
    hosts += ["localhost", "127.0.0.1", settings.first_service, settings.address]
    users = [("admin", "localcluster-admin", "system:masters")]
    users += [("controller-manager", "system:kube-controller-manager", "")] if settings.controllers else []
    users += [("scheduler", "system:kube-scheduler", "")] if settings.scheduler else []
    for name, user, group in users:
        pair = authority.issue(name, common_name=user, organization=group)
        path = settings.folder / f"{name}.kubeconfig"
        write_kubeconfig(path, settings.server, authority.certificate, pair, user=user)
    return Credentials(
        authority=authority,
        server=authority.issue("apiserver", common_name="kube-apiserver", hosts=dict.fromkeys(hosts)),
        kubelet_client=authority.issue(
            "kubelet-client", common_name="apiserver", organization="system:masters"
        ),
        service_accounts=create_signing_key(authority.folder),
    )


def etcd(settings: ControlPlaneSettings) -> Program:
    """The database. Not synced to disk: a test cluster need not survive a power cut."""
    client = f"http://127.0.0.1:{settings.etcd_port}"
    peer = f"http://127.0.0.1:{settings.etcd_peer_port}"
    return _program(
        "etcd",
        f"--data-dir={settings.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    )


def api_server(settings: ControlPlaneSettings, credentials: Credentials) -> Program:
    """The API server, with the defaults of Kubernetes wherever it has them."""
    authority, accounts = credentials.authority, credentials.service_accounts
    # Without the controller manager nobody makes service accounts, and this plugin would refuse every pod.
    absent = [] if settings.controllers else ["--disable-admission-plugins=ServiceAccount"]
    return _program(
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{settings.etcd_port}",
        f"--bind-address={settings.address}",
        f"--advertise-address={settings.address}",
        f"--secure-port={settings.api_port}",
        f"--cert-dir={settings.folder / 'pki'}",
        f"--tls-cert-file={credentials.server.certificate}",
        f"--tls-private-key-file={credentials.server.key}",
        f"--client-ca-file={authority.certificate}",
        f"--kubelet-certificate-authority={authority.certificate}",
        f"--kubelet-client-certificate={credentials.kubelet_client.certificate}",
        f"--kubelet-client-key={credentials.kubelet_client.key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--service-account-key-file={accounts.certificate}",
        f"--service-account-signing-key-file={accounts.key}",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-cluster-ip-range={settings.services}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        *absent,
        *([f"--authentication-config={settings.authentication}"] if settings.authentication else []),
    )


def controller_manager(settings: ControlPlaneSettings, credentials: Credentials) -> Program:
    """Every controller of Kubernetes, with a service account of its own each."""
    authority = credentials.authority
    return _program(
        "kube-controller-manager",
        f"--kubeconfig={settings.folder / 'controller-manager.kubeconfig'}",
        f"--service-account-private-key-file={credentials.service_accounts.key}",
        f"--root-ca-file={authority.certificate}",
        f"--cluster-signing-cert-file={authority.certificate}",
        f"--cluster-signing-key-file={authority.key}",
        "--use-service-account-credentials=true",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--secure-port=0",
    )


def scheduler(settings: ControlPlaneSettings) -> Program:
    """The scheduler, without a port of its own."""
    return _program(
        "kube-scheduler",
        f"--kubeconfig={settings.folder / 'scheduler.kubeconfig'}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--secure-port=0",
    )


def programs(settings: ControlPlaneSettings, credentials: Credentials) -> Iterable[Program]:
    """All programs of this control plane, in the order in which they start."""
    yield etcd(settings)
    yield api_server(settings, credentials)
    if settings.controllers:
        yield controller_manager(settings, credentials)
    if settings.scheduler:
        yield scheduler(settings)


def wait_ready(settings: ControlPlaneSettings, authority: Path, *, running: Callable[[], None]) -> None:
    """
    Wait until ``/readyz`` says ok.

    Args:
        settings: of the control plane.
        authority: the CA's certificate.
        running: called before each attempt; raises when a program died meanwhile.

    Raises:
        LocalClusterError: not ready within ``READY_SECONDS``; carries the end of the API server's log.
    """
    context = ssl.create_default_context(cafile=str(authority))
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        running()
        if _is_ready(f"{settings.server}/readyz", context):
            return
        time.sleep(0.1)
    raise LocalClusterError(
        f"the API server at {settings.server} was not ready within {READY_SECONDS:.0f} s:\n"
        + log_tail(settings.log("kube-apiserver"))
    )


def _is_ready(url: str, context: ssl.SSLContext) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2.0, context=context) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _program(name: str, *arguments: str) -> Program:
    return Program(name, (str(binary(name)), *arguments))
