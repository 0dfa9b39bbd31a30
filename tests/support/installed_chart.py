"""
The chart on an API server without nodes: Helm installs it, and its Jobs are played.

The program of each Job is run with the rights of the Job's account; then the Job is ended.
"""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from localcluster import ControlPlane
from localcluster.paths import bin_folder

CHART = Path(__file__).resolve().parents[2] / "charts" / "ignition-hub"
HUB = "ignition-hub"
BUILDS = "ignition-hub-builds"
VALUES = {"images": {"registry": "localhost/ignition-hub"}, "embeddedS3": {"enabled": True}}
SECRETS = ("ignition-hub-ca", "ignition-hub-gateway-tls", "ignition-hub-signing-key", "ignition-hub-store")

Json = dict[str, Any]


def helm(cluster: ControlPlane, *words: str, values: Json | None = None) -> list[str]:
    """Run Helm in the hub's namespace and play what it starts; return the commands of the Jobs, in order."""
    given = ["--values", "-"] if words[0] in {"install", "upgrade"} else []
    with hooks_played(cluster, HUB) as played:
        done = subprocess.run(
            [str(bin_folder() / "helm"), *words, "--namespace", HUB, *given],
            input=json.dumps(VALUES | (values or {})),
            env=os.environ | {"KUBECONFIG": str(cluster.kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
            timeout=100,
        )
    assert done.returncode == 0, done.stderr
    return played


def read(cluster: ControlPlane, kind: str, name: str, namespace: str = HUB) -> Json:
    """Return an object of the cluster."""
    document: Json = json.loads(cluster.kubectl("get", kind, name, "-n", namespace, "-o", "json"))
    return document


def keys(cluster: ControlPlane) -> Json:
    """Return the content of every Secret of the hub."""
    return {name: read(cluster, "secret", name)["data"] for name in SECRETS}


@contextmanager
def hooks_played(cluster: ControlPlane, namespace: str) -> Iterator[list[str]]:
    """Play every Job of a namespace until the block ends; give the commands that were run."""
    ended, played = threading.Event(), list[str]()
    failures: list[BaseException] = []

    def play() -> None:
        try:
            while not ended.wait(0.2):
                for job in unfinished(cluster, namespace):
                    run(cluster, job)
                    played.append(job["spec"]["template"]["spec"]["containers"][0]["args"][1])
        except BaseException as error:  # noqa: BLE001  # raised again in the test's own thread
            failures.append(error)

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield played
    finally:
        ended.set()
        thread.join()
    if failures:
        raise failures[0]


def unfinished(cluster: ControlPlane, namespace: str) -> list[Json]:
    """Return the Jobs that have not ended."""
    listed = json.loads(cluster.kubectl("get", "jobs", "-n", namespace, "-o", "json"))
    return [job for job in listed["items"] if not job.get("status", {}).get("conditions")]


def run(cluster: ControlPlane, job: Json) -> None:
    """Run a Job's program with the rights of its account, and end the Job as the Job controller would."""
    metadata, pod = job["metadata"], job["spec"]["template"]["spec"]
    account = kubeconfig_of(cluster, pod["serviceAccountName"], metadata["namespace"])
    done = subprocess.run(
        [sys.executable, "-m", *pod["containers"][0]["args"]],
        env=os.environ | {"KUBECONFIG": str(account)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    conditions = [
        {"type": kind, "status": "True", "reason": "CompletionsReached", "lastTransitionTime": now}
        for kind in ("SuccessCriteriaMet", "Complete")
    ]
    status = {"startTime": now, "completionTime": now, "succeeded": 1, "conditions": conditions}
    words = ["--subresource=status", "--type=merge", "-p", json.dumps({"status": status})]
    cluster.kubectl("patch", "job", metadata["name"], "-n", metadata["namespace"], *words)


def kubeconfig_of(cluster: ControlPlane, account: str, namespace: str) -> Path:
    """Write a kubeconfig of a ServiceAccount beside the cluster's own, and return it."""
    token = cluster.kubectl("create", "token", account, "-n", namespace).strip()
    document = json.loads(cluster.kubeconfig.read_text())
    document["users"] = [{"name": document["users"][0]["name"], "user": {"token": token}}]
    path = cluster.kubeconfig.with_name(f"{account}.kubeconfig")
    path.write_text(json.dumps(document))
    return path
