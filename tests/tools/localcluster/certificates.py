"""
The certificate authority of one cluster and the certificates it issues, made by the ``openssl`` program.

The authority carries key usage and every leaf its key identifiers: Python 3.13 and newer refuse chains
without them.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from localcluster.errors import LocalClusterError

_DAYS = "30"
_CURVE = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"]


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A certificate and its key, both PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """The one authority that clients and servers of a cluster trust."""

    folder: Path

    @property
    def certificate(self) -> Path:
        """``ca.crt``: what clients verify servers with, and servers clients."""
        return self.folder / "ca.crt"

    @property
    def key(self) -> Path:
        """``ca.key``; the controller manager signs with it."""
        return self.folder / "ca.key"

    def issue(
        self, name: str, *, common_name: str, organization: str = "", hosts: Iterable[str] = ()
    ) -> KeyPair:
        """
        Issue ``<name>.crt`` and ``<name>.key``.

        Args:
            name: of the two files.
            common_name: the user, to Kubernetes.
            organization: the group, to Kubernetes; none when empty.
            hosts: DNS names and IP addresses a server answers to.
        """
        pair = KeyPair(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(leaf_extensions(hosts))
        subject = (f"/O={organization}" if organization else "") + f"/CN={common_name}"
        _openssl(["req", "-new", *_CURVE, "-keyout", str(pair.key), "-out", str(request), "-subj", subject])
        issuer = ["-CA", str(self.certificate), "-CAkey", str(self.key), "-CAcreateserial"]
        files = ["-in", str(request), "-out", str(pair.certificate), "-extfile", str(extensions)]
        _openssl(["x509", "-req", "-days", _DAYS, *issuer, *files])
        request.unlink()
        extensions.unlink()
        return pair


def create_authority(folder: Path) -> Authority:
    """Make the folder and a new authority in it."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    authority = Authority(folder)
    extensions = ["basicConstraints=critical,CA:TRUE", "keyUsage=critical,keyCertSign,cRLSign"]
    added = [word for extension in extensions for word in ("-addext", extension)]
    files = ["-keyout", str(authority.key), "-out", str(authority.certificate)]
    _openssl(["req", "-x509", *_CURVE, "-days", _DAYS, "-subj", "/CN=localcluster", *added, *files])
    return authority


def create_signing_key(folder: Path) -> KeyPair:
    """A bare key pair for service account tokens: ``certificate`` holds the public key."""
    pair = KeyPair(folder / "sa.pub", folder / "sa.key")
    _openssl(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(pair.key)])
    _openssl(["pkey", "-in", str(pair.key), "-pubout", "-out", str(pair.certificate)])
    return pair


def leaf_extensions(hosts: Iterable[str]) -> str:
    """The extension file of one leaf; a leaf without hosts is a client only."""
    names = [f"{'IP' if _is_address(host) else 'DNS'}:{host}" for host in hosts]
    usage = "clientAuth,serverAuth" if names else "clientAuth"
    lines = [
        "basicConstraints=critical,CA:FALSE",
        "keyUsage=critical,digitalSignature,keyEncipherment",
        f"extendedKeyUsage={usage}",
        "subjectKeyIdentifier=hash",
        "authorityKeyIdentifier=keyid",
    ]
    return "\n".join([*lines, *([f"subjectAltName={','.join(names)}"] if names else [])]) + "\n"


def _is_address(host: str) -> bool:
    return host.replace(".", "").isdigit()


def _openssl(arguments: list[str]) -> None:
    try:
        done = subprocess.run(
            ["openssl", *arguments], capture_output=True, text=True, timeout=60, check=False
        )
    except FileNotFoundError as missing:
        raise LocalClusterError(
            "the openssl program is not installed", remedy="install the package openssl"
        ) from missing
    if done.returncode != 0:
        raise LocalClusterError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
