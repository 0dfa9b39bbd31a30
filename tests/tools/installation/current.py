"""
The stage somebody already has: the cluster of ``KUBECONFIG``, and a registry its nodes can pull from.

The images are built here and pushed there. A node that can build ahead of time is chosen by its CPU; the GPU
nodes are whatever the cluster has.
"""

import os
import shutil
from pathlib import Path

from installation.hub import DEMO_NAMESPACE, RELEASE, Hub
from installation.kubectl import Kubectl
from installation.local import module

BUILDER_LABEL = "ignitionhub.io/ahead-of-time-builder"


def prepare(registry: str) -> None:
    """Build the images and push them to ``registry``."""
    module("localcluster", "packages")
    module("localcluster", "build", "--set", "all")
    module("images", "build")
    module("images", "push", registry)


def start(registry: str) -> Hub:
    """Return the hub of the current cluster, with one x86-64 node labelled as the builder."""
    kubeconfig = Path(os.environ.get("KUBECONFIG", "~/.kube/config")).expanduser()
    if not kubeconfig.exists():
        raise RuntimeError(f"CLUSTER=current needs a kubeconfig, and {kubeconfig} does not exist")
    missing = [program for program in ("kubectl", "helm") if shutil.which(program) is None]
    if missing:
        raise RuntimeError(f"CLUSTER=current needs {' and '.join(missing)} on PATH")
    kubectl = Kubectl(kubeconfig)
    if kubectl.get("namespace", RELEASE) and not kubectl.get("namespace", DEMO_NAMESPACE):
        raise RuntimeError(
            f"namespace {RELEASE} exists already; the demo would change what is installed there"
        )
    label_builder(kubectl)
    return Hub(kubectl, "helm", registry=registry)


def label_builder(kubectl: Kubectl) -> None:
    """Choose the node that compiles, unless one was chosen before."""
    if not kubectl.list("nodes", labels=BUILDER_LABEL):
        nodes = kubectl.list("nodes", labels="kubernetes.io/arch=amd64")
        if not nodes:
            raise RuntimeError("TensorRT-RTX compiles on x86-64 only, and the cluster has no such node")
        kubectl.run("label", "node", nodes[0]["metadata"]["name"], f"{BUILDER_LABEL}=true")
