"""
The local stage: two nodes made from packages, this checkout's images, nothing pulled from anywhere.

Each preparation prints its own progress and does nothing when it was done before.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

from installation.hub import ROOT, Hub
from installation.kubectl import Kubectl

DEMO = "ignition"
"""The cluster that `make cluster-up` and `make demo` use."""


def prepare() -> None:
    """Install Debian packages, compile Kubernetes, build the images."""
    module("localcluster", "packages")
    module("localcluster", "build", "--set", "all")
    module("images", "build")


def start(name: str = DEMO) -> Hub:
    """Start a cluster when it is not up, give its nodes the images, and return the hub to install."""
    module("localcluster", "up", "--name", name)
    archives = [image["archive"] for image in json.loads(ask("images", "list"))]
    module("localcluster", "load", "--name", name, *archives)
    return existing(name)


def stop(name: str) -> None:
    """Stop a cluster; nothing of it is left."""
    module("localcluster", "down", "--name", name)


def existing(name: str = DEMO) -> Hub:
    """Return the hub of a cluster that is up."""
    kubeconfig = Path(ask("localcluster", "kubeconfig", "--name", name).strip())
    programs = Path(ask("localcluster", "build", "--set", "all").strip())
    kubectl = Kubectl(kubeconfig, str(programs / "kubectl"))
    return Hub(kubectl, str(programs / "helm"), name=name, images=fingerprint(ask("images", "list")))


def fingerprint(listing: str) -> str:
    """Return a short name for the content of all images."""
    return hashlib.sha256(listing.encode()).hexdigest()[:16]


def module(name: str, *arguments: str) -> None:
    """Run one of our modules with its progress on the terminal; stop when it fails."""
    command = [sys.executable, "-m", name, *arguments]
    done = subprocess.run(command, cwd=ROOT / "tests" / "tools", check=False, stdout=subprocess.DEVNULL)
    if done.returncode != 0:
        sys.exit(f"{name} {' '.join(arguments)} failed ({done.returncode}), see above")


def ask(name: str, *arguments: str) -> str:
    """Run one of our modules and return what it printed."""
    command = [sys.executable, "-m", name, *arguments]
    done = subprocess.run(
        command, cwd=ROOT / "tests" / "tools", check=False, text=True, capture_output=True, timeout=60
    )
    if done.returncode != 0:
        raise RuntimeError(f"{name} {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout
