"""
The story the demo tells, one function a step, in the order they are told.

Everything shown is read back from the cluster, the bucket or the running container; the last step compares
them and fails the demo when they disagree.
"""

import json
import time
from typing import Any

import yaml

from demo.narrator import Narrator
from installation import current, local
from installation.gpus import arch_of, gpu_nodes
from installation.hub import BUCKET, BUILDS, DEMO_NAMESPACE, PREFIX, RELEASE, Hub, demo_values
from installation.kubectl import eventually
from installation.models import public_model
from installation.tenant import condition, ignition
from installation.workload import deployment, engine_digest, is_ready, pods_of

ENGINE = "resnet50"
DEPLOYMENT = "classifier"

Json = dict[str, Any]


def tell(registry: str | None) -> None:
    """Tell the whole story; ``registry`` names where an existing cluster pulls images from."""
    narrator = Narrator()
    with narrator.step("Prepare: programs and images (minutes the first time, nothing afterwards)"):
        current.prepare(registry) if registry else local.prepare()
    with narrator.step("A Kubernetes with GPU nodes"):
        hub = current.start(registry) if registry else local.start()
        column = "-Lnvidia.com/gpu.product"
        narrator.command(f"kubectl get nodes {column}", hub.kubectl.run("get", "nodes", column))
    with narrator.step("Install the hub with its chart"):
        hub.install(demo_values())
        shown = hub.kubectl.run("get", "deployments", "-n", RELEASE)
        narrator.command(f"kubectl get deployments -n {RELEASE}", shown)
    with narrator.step("A team pushes a public ONNX model and applies the engine it wants"):
        start_over(hub)
        apply_engine(hub, narrator)
    with narrator.step("The engine is built, once per target, and signed"):
        watch_engine(hub, narrator)
    with narrator.step("What is in the bucket"):
        show_bucket(hub, narrator)
    if gpu_nodes(hub.kubectl):
        with narrator.step("A Deployment, one replica a node, asks for the engine by name"):
            deploy(hub, narrator)
        with narrator.step("Each pod received its own engine"):
            compare(hub, narrator)
    else:
        narrator.say("No node here has a GPU that TensorRT-RTX compiles for, so no pod asks for an engine.")
    farewell(hub, narrator, local_cluster=registry is None)


def start_over(hub: Hub) -> None:
    """Remove what an earlier demo left, so that this one builds again."""
    hub.kubectl.delete("namespace", DEMO_NAMESPACE)
    with hub.bucket() as s3:
        listing = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/engines/{ENGINE}/")
        for found in listing.get("Contents", []):
            s3.delete_object(Bucket=BUCKET, Key=found["Key"])
    hub.make_tenant(DEMO_NAMESPACE)


def apply_engine(hub: Hub, narrator: Narrator) -> None:
    """Push the model with the command line tool and apply the resource it prints."""
    wanted = sorted(set(gpu_nodes(hub.kubectl).values())) or ["sm_86", "sm_89"]
    archs = [word for arch in wanted for word in ("--arch", arch)]
    arguments = ["push", str(public_model(ENGINE)), "--name", ENGINE, "--version", "v1", "-n", DEMO_NAMESPACE]
    arguments += ["--precision", "fp16", *archs]
    resource = ignition(hub.kubectl, *arguments)
    narrator.command("kubectl " + " ".join(["ignition", "push", f"light_{ENGINE}.onnx", *arguments[2:]]))
    narrator.manifest(resource)
    narrator.command("kubectl apply -f engine.yaml", hub.kubectl.apply(yaml.safe_load(resource)))


def watch_engine(hub: Hub, narrator: Narrator) -> None:
    """Print each change of the engine's progress until it is ready, then what a person would look at."""
    last = ""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        status = engine_status(hub)
        if (line := progress_line(status)) != last:
            narrator.say(line)
            last = line
        if condition(status, "Ready") == "True":
            break
        if condition(status, "Stalled") == "True":
            raise RuntimeError(f"the engine failed: {line}")
        time.sleep(0.5)
    else:
        raise TimeoutError(f"the engine was not ready after 300 s: {last}")
    narrator.command(
        f"kubectl get trte -n {DEMO_NAMESPACE}", hub.kubectl.run("get", "trte", "-n", DEMO_NAMESPACE)
    )
    narrator.command(f"kubectl get jobs -n {BUILDS}", hub.kubectl.run("get", "jobs", "-n", BUILDS))
    for kind in ("jobs", "secrets"):
        shown = (
            hub.kubectl.run("get", kind, "-n", DEMO_NAMESPACE)
            or f"No resources found in {DEMO_NAMESPACE} namespace."
        )
        narrator.command(f"kubectl get {kind} -n {DEMO_NAMESPACE}", shown)


def engine_status(hub: Hub) -> Json:
    """Return the engine's status, empty before the first write."""
    engine = hub.kubectl.get("trte", ENGINE, DEMO_NAMESPACE)
    if engine is None:
        raise RuntimeError(f"the TensorRTEngine {DEMO_NAMESPACE}/{ENGINE} is gone")
    status: Json = engine.get("status", {})
    return status


def progress_line(status: Json) -> str:
    """Lay the targets' states out on one line: ``sm_86 Building 42 % · sm_89 Ready``."""
    return " · ".join(target_line(target) for target in status.get("targets", [])) or "waiting for a builder"


def target_line(target: Json) -> str:
    """One target's state, its percent while it builds and its message when it cannot."""
    percent = target.get("progress", {}).get("percent")
    shown = f" {percent} %" if target["state"] == "Building" and percent is not None else ""
    trouble = f" ({target.get('message')})" if target["state"] in ("Failed", "Unbuildable") else ""
    return f"{target['name']} {target['state']}{shown}{trouble}"


def show_bucket(hub: Hub, narrator: Narrator) -> None:
    """List the stored objects and print the heart of one manifest."""
    with hub.bucket() as s3:
        listing = s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{PREFIX}/engines/{ENGINE}/")
        keys = [(item["Key"], item["Size"]) for item in listing.get("Contents", [])]
        for key, size in keys:
            narrator.say(f"{size:>10,}  {key}")
        manifest_key = next(key for key, _ in keys if key.endswith(".trt.json"))
        manifest = json.loads(s3.get_object(Bucket=BUCKET, Key=manifest_key)["Body"].read())
    heart = {name: manifest[name] for name in ("identity", "engine", "provenance_key") if name in manifest}
    narrator.say("one manifest, in short:")
    narrator.manifest(yaml.safe_dump(heart, sort_keys=False))


def deploy(hub: Hub, narrator: Narrator) -> None:
    """Apply the Deployment and wait until both replicas run."""
    nodes = len(gpu_nodes(hub.kubectl))
    image = f"{hub.registry}/fetcher:{hub.tag}"
    resource = deployment(DEPLOYMENT, engines=ENGINE, image=image, replicas=nodes)
    narrator.manifest(yaml.safe_dump({"template": {"metadata": resource["spec"]["template"]["metadata"]}}))
    hub.kubectl.apply(resource, namespace=DEMO_NAMESPACE)
    eventually(
        lambda: sum(map(is_ready, pods_of(hub.kubectl, DEPLOYMENT, DEMO_NAMESPACE))) == nodes,
        within=180,
        what=f"{nodes} ready replicas of Deployment {DEPLOYMENT}",
    )
    shown = hub.kubectl.run("get", "pods", "-n", DEMO_NAMESPACE, "-o", "wide")
    narrator.command(f"kubectl get pods -n {DEMO_NAMESPACE} -o wide", shown)
    pod = pods_of(hub.kubectl, DEPLOYMENT, DEMO_NAMESPACE)[0]["metadata"]["name"]
    logs = hub.kubectl.logs("-n", DEMO_NAMESPACE, pod, "-c", "ignition-fetch")
    narrator.command(f"kubectl logs -n {DEMO_NAMESPACE} {pod} -c ignition-fetch", logs)


def compare(hub: Hub, narrator: Narrator) -> None:
    """Hash the engine inside each container; it must be the one the status names for that node's GPU."""
    built = {target["gpuArch"]: target for target in engine_status(hub)["targets"]}
    for pod in pods_of(hub.kubectl, DEPLOYMENT, DEMO_NAMESPACE):
        node = pod["spec"]["nodeName"]
        arch = arch_of(hub.kubectl, node)
        digest, target = engine_digest(hub.kubectl, pod, ENGINE), built[arch]
        if digest != target["sha256"]:
            raise RuntimeError(f"the pod on {node} ({arch}) holds {digest}, not {target['sha256']}")
        file_name = target["uri"].rsplit("/", 1)[1]
        narrator.say(f"{node:8} {arch:6} sha256 {digest[:16]}… = status = {file_name}")


def farewell(hub: Hub, narrator: Narrator, *, local_cluster: bool) -> None:
    """Say what was not shown, how to look around and how to stop."""
    narrator.console.print(f"\n[bold green]Done[/] in {narrator.elapsed():.0f} s.")
    narrator.say(
        "Not shown: inference. The engines are real, compiled by TensorRT-RTX; the GPUs are labels only."
    )
    narrator.say(
        f"Look around:  export KUBECONFIG={hub.kubectl.kubeconfig}; kubectl describe trte -n {DEMO_NAMESPACE}"
    )
    stop = "make cluster-down" if local_cluster else f"helm uninstall {RELEASE} -n {RELEASE}"
    narrator.say(f"Stop:         {stop}")
