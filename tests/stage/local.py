"""
The local stage: two nodes made from packages, this checkout's images, nothing pulled from anywhere.

Each preparation prints its own progress and does nothing when it was done before.
"""

import json
import subprocess
import sys
from pathlib import Path

from stage.hub import ROOT, Hub
from stage.kubectl import Kubectl


def prepare() -> None:
    """Install Debian packages, compile Kubernetes, build the images."""
    module("localcluster", "packages")
    module("localcluster", "build", "--set", "all")
    module("images", "build")


def start() -> Hub:
    """Start the cluster when it is not up, give its nodes the images, and return the hub to install."""
    module("localcluster", "up")
    archives = [image["archive"] for image in json.loads(ask("images", "list"))]
    module("localcluster", "load", *archives)
    return existing()


def existing() -> Hub:
    """Return the hub of the cluster that is up."""
    kubeconfig = Path(ask("localcluster", "kubeconfig").strip())
    programs = Path(ask("localcluster", "build", "--set", "all").strip())
    return Hub(Kubectl(kubeconfig, str(programs / "kubectl")), str(programs / "helm"))


def module(name: str, *arguments: str) -> None:
    """Run one of our modules with its output on the terminal; stop when it fails."""
    done = subprocess.run([sys.executable, "-m", name, *arguments], cwd=ROOT, check=False)
    if done.returncode != 0:
        sys.exit(f"{name} {' '.join(arguments)} failed ({done.returncode}), see above")


def ask(name: str, *arguments: str) -> str:
    """Run one of our modules and return what it printed."""
    command = [sys.executable, "-m", name, *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, text=True, stdout=subprocess.PIPE, timeout=60).stdout
