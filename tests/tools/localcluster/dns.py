"""Cluster DNS: CoreDNS as a process on the bridge's address, no pod and no Service."""

from __future__ import annotations

from pathlib import Path


def corefile(address: str, kubeconfig: Path) -> str:
    """
    The configuration of CoreDNS.

    Two blocks: in one, the template would answer for the cluster too; without the second, names from
    outside would be SERVFAIL, which resolvers retry, instead of NXDOMAIN.
    """
    return f"""\
cluster.local:53 in-addr.arpa:53 ip6.arpa:53 {{
    bind {address}
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        pods insecure
        ttl 5
    }}
}}
.:53 {{
    bind {address}
    errors
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""
