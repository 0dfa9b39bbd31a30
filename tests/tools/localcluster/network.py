"""
The network of one cluster: a namespace of its own, a bridge in it, and one cable to the host.

    host  ──  10.87.i.1 ══ 10.87.i.2  ──  bridge 10.88+i.0.1  ──  nodes 10.88+i.0.11 …  ──  pods 10.88+i.N.x

Two routes on the host reach pods and ClusterIPs. No rule of the host's firewall and no address of the
host's interfaces is touched, and when the namespace goes everything goes with it. Pods reach the host at
its end of the cable and nothing beyond it: clusters behave as in an air-gapped site.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass

from localcluster.errors import LocalClusterError

BRIDGE = "pods0"
MAX_CLUSTERS = 8


@dataclass(frozen=True, slots=True)
class Network:
    """Every address of the cluster with this index (0..7)."""

    index: int

    @property
    def host_link(self) -> str:
        """Name of the host's end of the cable."""
        return f"localcluster{self.index}"

    @property
    def host_address(self) -> str:
        """The host, as pods see it."""
        return f"10.87.{self.index}.1"

    @property
    def inner_address(self) -> str:
        """The namespace's end of the cable."""
        return f"10.87.{self.index}.2"

    @property
    def gateway(self) -> str:
        """The bridge: address of API server and DNS, default route of pods."""
        return f"10.{88 + self.index}.0.1"

    @property
    def pods(self) -> str:
        """CIDR of nodes and pods, one flat subnet."""
        return f"10.{88 + self.index}.0.0/16"

    @property
    def services(self) -> str:
        """CIDR of ClusterIPs."""
        return f"10.{96 + self.index}.0.0/16"

    @property
    def first_service(self) -> str:
        """ClusterIP of the API server."""
        return f"10.{96 + self.index}.0.1"

    def node_address(self, number: int) -> str:
        """Address of the node with this number, counted from 0."""
        return f"10.{88 + self.index}.0.{11 + number}"

    def pod_range(self, number: int) -> tuple[str, str]:
        """First and last address of the pods on the node with this number."""
        prefix = f"10.{88 + self.index}.{1 + number}"
        return f"{prefix}.2", f"{prefix}.254"


def inner_commands(network: Network, nodes: int) -> list[list[str]]:
    """What is run inside the namespace, once the cable is there."""
    bridge_address = f"{network.gateway}/16"
    commands = [
        ["ip", "link", "set", "lo", "up"],
        ["ip", "link", "add", BRIDGE, "type", "bridge"],
        ["ip", "address", "add", bridge_address, "dev", BRIDGE],
        *(["ip", "address", "add", f"{network.node_address(n)}/16", "dev", BRIDGE] for n in range(nodes)),
        ["ip", "link", "set", BRIDGE, "up"],
        ["ip", "address", "add", f"{network.inner_address}/30", "dev", "host0"],
        ["ip", "link", "set", "host0", "up"],
        ["ip", "route", "add", "default", "via", network.host_address],
        # Own ClusterIPs are rewritten on their way out, but a route must exist before that is looked at.
        ["ip", "route", "add", network.services, "dev", BRIDGE, "src", network.gateway],
    ]
    settings = ["net/ipv4/ip_forward", "net/bridge/bridge-nf-call-iptables"]
    return [*commands, *(["sh", "-c", f"echo 1 > /proc/sys/{setting}"] for setting in settings)]


def connect(network: Network, anchor: int) -> None:
    """Lay the cable into the namespace of the anchor process and route pods and ClusterIPs through it."""
    link = network.host_link
    if shutil.which("modprobe"):
        run(["modprobe", "--quiet", "br_netfilter"], check=False)  # some kernels have it built in
    run(["ip", "link", "add", link, "type", "veth", "peer", "name", "host0", "netns", str(anchor)])
    run(["ip", "address", "add", f"{network.host_address}/30", "dev", link])
    run(["ip", "link", "set", link, "up"])


def route(network: Network) -> None:
    """Make pods and ClusterIPs reachable from the host; the cable's far end must be up."""
    for cidr in (network.pods, network.services):
        run(["ip", "route", "add", cidr, "via", network.inner_address, "dev", network.host_link])


def disconnect(network: Network) -> None:
    """Remove the cable, and with it the host's routes; nothing happens when there is none."""
    run(["ip", "link", "delete", network.host_link], check=False)


def link_exists(network: Network) -> bool:
    """Whether some cluster uses this index."""
    return run(["ip", "link", "show", network.host_link], check=False) == 0


def run(command: Iterable[str], *, check: bool = True) -> int:
    """
    Run a short command; return its status.

    Raises:
        LocalClusterError: it failed and ``check`` is set.
    """
    words = list(command)
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError as missing:
        raise LocalClusterError(
            f"the program {words[0]} is not installed",
            remedy="PYTHONPATH=tests/tools python3 -m localcluster packages",
        ) from missing
    if check and done.returncode != 0:
        raise LocalClusterError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.returncode
