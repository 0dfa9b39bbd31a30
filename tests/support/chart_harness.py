"""
The chart, rendered by Helm itself, and ways to find what is in it.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

import yaml

from localcluster.paths import bin_folder

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "ignition-hub"
HELM = bin_folder() / "helm"
TRIAL = {
    "images": {"registry": "localhost/ignition-hub", "tag": "dev"},
    "embeddedS3": {"enabled": True},
}
OWN_STORE = {
    "embeddedS3": {"enabled": False},
    "store": {"endpoint": "https://s3.example.com", "credentialsSecret": "engine-store"},
    "networkPolicies": {"store": {"to": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}},
}

Json = dict[str, Any]


def helm(*arguments: str, values: Json | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(HELM), *arguments, "--values", "-"],
        input=json.dumps(values or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def merged(base: Json, changes: Json) -> Json:
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else value
    return result


def render(changes: Json | None = None, *, base: Json = TRIAL) -> list[Json]:
    values = merged(base, changes or {})
    done = helm("template", "ignition-hub", str(CHART), "-n", "ignition-hub", values=values)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def refusal(changes: Json, *, base: Json = TRIAL) -> str:
    done = helm("template", "ignition-hub", str(CHART), "-n", "ignition-hub", values=merged(base, changes))
    assert done.returncode != 0, "the values were accepted"
    return done.stderr


def find(documents: list[Json], kind: str, name: str, namespace: str | None = None) -> Json:
    matching = [
        document
        for document in documents
        if document["kind"] == kind
        and document["metadata"]["name"] == name
        and (namespace is None or document["metadata"].get("namespace") == namespace)
    ]
    assert len(matching) == 1, f"{len(matching)} documents are {kind} {name}"
    return matching[0]


def containers(deployment: Json) -> list[Json]:
    pod = deployment["spec"]["template"]["spec"]
    return [*pod.get("initContainers", []), *pod["containers"]]
