"""
What the hub adds: seconds from ``kubectl apply`` to ``Ready``, against a Job written by hand.

The peer is the least a person would do: a Job with the same builder image, in the same namespace on the same
node, that downloads the same model with a presigned URL, compiles it with ten lines of TensorRT-RTX and
uploads the engine. Both are measured in turn, each time with a model nobody built before; the bar is 1.3.

Needs root and the local cluster: ``python tests/bench/bench_time_to_ready.py [--rounds 5]``.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tools"))

from installation import local
from installation.hub import BUCKET, BUILDS, Hub, demo_values
from installation.models import distinct
from installation.tenant import Tenant

MODEL = "densenet121"
ARCH = "sm_86"
BAR = 1.3

BY_HAND = """
import os, sys, urllib.request
import onnx, tensorrt_rtx as trt
from onnxconverter_common import float16
urllib.request.urlretrieve(os.environ["MODEL_URL"], "/scratch/model.onnx")
half = float16.convert_float_to_float16(onnx.load("/scratch/model.onnx"), keep_io_types=True)
onnx.save(half, "/scratch/half.onnx")
logger = trt.Logger(trt.Logger.ERROR)
builder = trt.Builder(logger)
network = builder.create_network(0)
trt.OnnxParser(network, logger).parse_from_file("/scratch/half.onnx")
config = builder.create_builder_config()
config.num_compute_capabilities = 1
config.set_compute_capability(trt.ComputeCapability.SM86, 0)
engine = bytes(builder.build_serialized_network(network, config))
urllib.request.urlopen(urllib.request.Request(os.environ["ENGINE_URL"], data=engine, method="PUT")).read()
"""


def main() -> None:
    """Measure both in turn and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    hub = local.start()
    hub.install(demo_values())
    tenant = Tenant(hub, "bench-time-to-ready")
    hub.make_tenant(tenant.namespace)
    ours, by_hand = [], []
    with TemporaryDirectory() as folder:
        for number in range(rounds + 1):
            pair = by_hub(tenant, Path(folder), number), by_job(hub, Path(folder), number)
            if number:  # the first round warms both up
                ours.append(pair[0])
                by_hand.append(pair[1])
                print(f"round {number}: hub {pair[0]:.2f} s, job by hand {pair[1]:.2f} s", flush=True)
    hub.kubectl.delete("namespace", tenant.namespace)
    report(ours, by_hand)


def report(ours: list[float], by_hand: list[float]) -> None:
    """Print medians and their ratio beside the bar."""
    median, peer = statistics.median(ours), statistics.median(by_hand)
    print(
        f"apply to Ready: hub {median:.2f} s, job by hand {peer:.2f} s, ratio {median / peer:.2f} (bar {BAR})"
    )


def by_hub(tenant: Tenant, folder: Path, number: int) -> float:
    """Push a new model, then measure from apply to Ready."""
    name = f"bench-{number}"
    resource = tenant.push(distinct(MODEL, folder), name=name, archs=(ARCH,))
    started = time.monotonic()
    tenant.apply(resource)
    tenant.kubectl.run(
        "wait", "-n", tenant.namespace, f"trte/{name}", "--for=condition=Ready", "--timeout=300s", timeout=310
    )
    return time.monotonic() - started


def by_job(hub: Hub, folder: Path, number: int) -> float:
    """Upload a new model, then measure from apply to the Job's completion."""
    name = f"by-hand-{number}"
    endpoint = "http://ignition-hub-s3.ignition-hub.svc:9000"
    with hub.bucket() as s3, hub.bucket_at(endpoint) as inside:
        s3.upload_file(str(distinct(MODEL, folder)), BUCKET, f"bench/{name}.onnx")
        model_url = inside.generate_presigned_url(
            "get_object", Params={"Bucket": BUCKET, "Key": f"bench/{name}.onnx"}
        )
        engine_url = inside.generate_presigned_url(
            "put_object", Params={"Bucket": BUCKET, "Key": f"bench/{name}.engine"}
        )
    started = time.monotonic()
    hub.kubectl.apply(job(hub, name, {"MODEL_URL": model_url, "ENGINE_URL": engine_url}), namespace=BUILDS)
    wait = ("wait", "-n", BUILDS, f"job/{name}", "--for=condition=Complete", "--timeout=300s")
    hub.kubectl.run(*wait, timeout=310)
    took = time.monotonic() - started
    hub.kubectl.delete("job", name, BUILDS)
    return took


def job(hub: Hub, name: str, environment: dict[str, str]) -> dict:
    """Return the Job a person would write."""
    container = {
        "name": "build",
        "image": f"{hub.registry}/builder-rtx:{hub.tag}",
        "command": ["python3", "-c", BY_HAND],
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "volumeMounts": [{"name": "work", "mountPath": "/scratch"}],
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    pod = {
        "restartPolicy": "Never",
        "nodeSelector": {"ignitionhub.io/ahead-of-time-builder": "true"},
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [{"name": "work", "emptyDir": {}}],
    }
    metadata = {"name": name, "namespace": BUILDS}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {"template": {"spec": pod}},
    }


if __name__ == "__main__":
    main()
