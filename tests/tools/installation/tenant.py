"""What a tenant does: push a model, apply an engine, deploy pods that want it, look at what came of it."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ignition_hub.engine.state import SETTLED
from ignition_hub.store.find import manifest_key_of
from installation.hub import BUCKET, ROOT, SHARED, Hub
from installation.kubectl import Kubectl, eventually
from installation.workload import deployment, is_ready, pods_of

Json = dict[str, Any]


@dataclass(frozen=True)
class Tenant:
    """One namespace of a hub, and what its people do there."""

    hub: Hub
    namespace: str

    @property
    def kubectl(self) -> Kubectl:
        """kubectl for the hub's cluster."""
        return self.hub.kubectl

    def push(self, model: Path, *, name: str, archs: tuple[str, ...], precision: str = "fp16") -> Json:
        """Push a model file with ``kubectl ignition push`` and return the resource it prints."""
        words = [word for arch in archs for word in ("--arch", arch)]
        printed = ignition(
            self.kubectl, "push", str(model), "--name", name, "--version", "v1",
            "-n", self.namespace, "--precision", precision, *words,
        )  # fmt: skip
        resource: Json = yaml.safe_load(printed)
        return resource

    def share(self, path: Path, name: str | None = None) -> Json:
        """Put a file where every namespace may read; return it as a pinned source."""
        key = f"{SHARED}{self.namespace}/{name or path.name}"
        content = path.read_bytes()
        with self.hub.bucket() as s3:
            s3.put_object(Bucket=BUCKET, Key=key, Body=content)
        return {"uri": f"s3://{BUCKET}/{key}", "sha256": hashlib.sha256(content).hexdigest()}

    def manifest(self, target: Json) -> Json:
        """Read the manifest of a ready target's engine from the bucket."""
        with self.hub.bucket() as s3:
            found = s3.get_object(Bucket=BUCKET, Key=manifest_key_of(target["uri"]))
            manifest: Json = json.loads(found["Body"].read())
            return manifest

    def inspect(self, uri: str, *arguments: str, expect: int = 0) -> str:
        """Return what ``ignition inspect`` says of an engine, believing the keys that the hub publishes."""
        with self.hub.reachable_store() as store:
            trusted = {"ARTIFACTS_TRUSTED_KEYS": self.hub.public_keys()}
            words = ("inspect", uri, *arguments)
            return ignition(self.kubectl, *words, expect=expect, environment=store | trusted)

    def apply(self, *documents: Json) -> None:
        """Apply documents in this namespace."""
        self.kubectl.apply(*documents, namespace=self.namespace)

    def status(self, engine: str) -> Json:
        """Return an engine's status; empty when there is none yet."""
        found = self.kubectl.get("trte", engine, self.namespace) or {}
        status: Json = found.get("status", {})
        return status

    def wait_ready(self, engine: str, *, within: float = 180) -> Json:
        """Wait until an engine is ready and return its status; fail at once when it stalls."""

        def ready_status() -> Json | None:
            status = self.status(engine)
            if condition(status, "Stalled") == "True":
                raise AssertionError(f"{engine} stalled: {status.get('targets')}")
            return status if condition(status, "Ready") == "True" else None

        return eventually(ready_status, within=within, what=f"engine {engine} to be ready")

    def wait_stalled(self, engine: str, *, within: float = 120) -> Json:
        """Wait until an engine is given up and return its status."""

        def stalled_status() -> Json | None:
            status = self.status(engine)
            return status if condition(status, "Stalled") == "True" else None

        return eventually(stalled_status, within=within, what=f"engine {engine} to stall")

    def wait_settled(self, engine: str, *, within: float = 120) -> Json:
        """Wait until every target is built or given up, and return the status."""

        def settled_status() -> Json | None:
            targets = self.status(engine).get("targets", [])
            settled = targets and all(target["state"] in SETTLED for target in targets)
            return self.status(engine) if settled else None

        return eventually(settled_status, within=within, what=f"every target of {engine} to settle")

    def deploy(self, name: str, *, engines: str, replicas: int = 1) -> None:
        """Apply an inference Deployment that wants ``engines``."""
        image = f"{self.hub.registry}/fetcher:{self.hub.tag}"
        self.apply(deployment(name, engines=engines, image=image, replicas=replicas))

    def wait_running(self, name: str, *, replicas: int = 1, within: float = 120) -> list[Json]:
        """Wait until a Deployment's replicas are ready and return their pods."""

        def running() -> list[Json] | None:
            pods = [pod for pod in pods_of(self.kubectl, name, self.namespace) if is_ready(pod)]
            return pods if len(pods) == replicas else None

        return eventually(running, within=within, what=f"{replicas} ready pods of {name}")


def condition(status: Json, kind: str) -> str:
    """Return a condition's status: True, False, Unknown, or nothing."""
    return next((str(c["status"]) for c in status.get("conditions", []) if c["type"] == kind), "")


def ignition(
    kubectl: Kubectl, *arguments: str, expect: int = 0, environment: Mapping[str, str] | None = None
) -> str:
    """
    Run the project's command line tool against a cluster and return what it printed.

    RuntimeError when it ends with another exit code than ``expect``.
    """
    program = Path(sys.executable).parent / "kubectl-ignition"
    done = subprocess.run(
        [str(program), *arguments],
        cwd=ROOT,
        env=kubectl.environment | dict(environment or {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if done.returncode != expect:
        ended = f"ended with {done.returncode}, not {expect}"
        raise RuntimeError(f"kubectl ignition {arguments[0]} {ended}: {done.stderr.strip()}")
    return done.stdout
