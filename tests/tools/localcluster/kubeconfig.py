"""Kubeconfig files; written as JSON, which is YAML too."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from localcluster.certificates import KeyPair


def kubeconfig(server: str, authority: Path, pair: KeyPair, *, user: str) -> dict[str, object]:
    """A kubeconfig document with every certificate inside, so that the file can be copied anywhere."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {
                "name": "localcluster",
                "cluster": {"server": server, "certificate-authority-data": _inline(authority)},
            }
        ],
        "users": [
            {
                "name": user,
                "user": {
                    "client-certificate-data": _inline(pair.certificate),
                    "client-key-data": _inline(pair.key),
                },
            }
        ],
        "contexts": [{"name": "localcluster", "context": {"cluster": "localcluster", "user": user}}],
        "current-context": "localcluster",
    }


def write_kubeconfig(path: Path, server: str, authority: Path, pair: KeyPair, *, user: str) -> Path:
    """Write the document readable by its owner only; return the path."""
    path.touch(mode=0o600)
    path.write_text(json.dumps(kubeconfig(server, authority, pair, user=user), indent=1))
    return path


def _inline(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
