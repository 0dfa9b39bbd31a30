"""
An inference Deployment as a user writes it: one label, one annotation, nothing else of ours.

The container is a stand-in: it holds no TensorRT and runs no inference, it only stays up so that one can look
at what it was given.
"""

from typing import Any

from installation.kubectl import Kubectl

Json = dict[str, Any]

STAY_UP = "import signal; signal.pause()"


def deployment(name: str, *, engines: str, image: str, replicas: int) -> Json:
    """Return a Deployment whose replicas land on different nodes, each with the engines it names."""
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {
                    "labels": labels | {"ignitionhub.io/inject": "true"},
                    "annotations": {"ignitionhub.io/engines": engines},
                },
                "spec": pod_spec(labels, image),
            },
        },
    }


def pod_spec(labels: dict[str, str], image: str) -> Json:
    """Return the pod's spec: one restricted container, one replica a node."""
    return {
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "affinity": {
            "podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [
                    {"labelSelector": {"matchLabels": labels}, "topologyKey": "kubernetes.io/hostname"}
                ]
            }
        },
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": "server",
                "image": image,
                "command": ["python3", "-c", STAY_UP],
                "resources": {"limits": {"nvidia.com/gpu": "1"}},
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    }


def pods_of(kubectl: Kubectl, name: str, namespace: str) -> list[Json]:
    """Return the Deployment's pods that are not being deleted."""
    pods = kubectl.list("pods", namespace, labels=f"app={name}")
    return [pod for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def is_ready(pod: Json) -> bool:
    """Whether the pod's Ready condition is true."""
    conditions = pod.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)


def engine_digest(kubectl: Kubectl, pod: Json, alias: str) -> str:
    """Hash the engine inside the running container."""
    program = "import hashlib,sys;print(hashlib.file_digest(open(sys.argv[1],'rb'),'sha256').hexdigest())"
    metadata = pod["metadata"]
    path = f"/engines/{alias}/model.engine"
    out = kubectl.execute(
        metadata["namespace"], metadata["name"], "python3", "-c", program, path, container="server"
    )
    return out.strip()
