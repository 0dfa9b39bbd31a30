"""A Deployment that asks for rollouts, where no controller of Kubernetes runs: its pod is made by hand."""

import json

from ignition_hub.engine.names import INIT_CONTAINER, LABEL_ROLLS
from ignition_hub.engine.pod_annotations import ANNOTATION_ENGINES, ANNOTATION_ROLLOUT
from ignition_hub.kube import DEPLOYMENTS, PODS, REPLICA_SETS, Kube, Object

NAME = "web"


async def serve(kube: Kube, namespace: str, engine: str, arch: str) -> None:
    """Make the Deployment and its pod, which runs an engine of another time on a GPU of ``arch``."""
    template = _template(engine)
    spec = {"selector": {"matchLabels": {"app": NAME}}, "template": template}
    deployment = await kube.create(DEPLOYMENTS, {"metadata": {"name": NAME}, "spec": spec}, namespace)
    seen = {"observedGeneration": deployment["metadata"]["generation"]}
    await kube.merge_patch(DEPLOYMENTS, NAME, {"status": seen}, namespace, "status")
    metadata = {"name": NAME, "ownerReferences": [_controlled_by(deployment)]}
    replicas = await kube.create(REPLICA_SETS, {"metadata": metadata, "spec": spec}, namespace)
    metadata = {**template["metadata"], "name": NAME, "ownerReferences": [_controlled_by(replicas)]}
    await kube.create(PODS, {"metadata": metadata, "spec": template["spec"]}, namespace)
    said = json.dumps({"arch": arch, "product": None, "engines": ["0" * 16]})
    fetched = {"state": {"terminated": {"exitCode": 0, "message": said}}, "ready": True}
    container = {**fetched, "name": INIT_CONTAINER, "image": "a", "imageID": "", "restartCount": 0}
    status = {"status": {"initContainerStatuses": [container]}}
    await kube.merge_patch(PODS, NAME, status, namespace, "status")


def _template(engine: str) -> Object:
    return {
        "metadata": {
            "labels": {"app": NAME, LABEL_ROLLS: "true"},
            "annotations": {ANNOTATION_ENGINES.name: engine, ANNOTATION_ROLLOUT.name: "Automatic"},
        },
        "spec": {
            "initContainers": [{"name": INIT_CONTAINER, "image": "fetcher:1"}],
            "containers": [{"name": "server", "image": "server:1"}],
        },
    }


def _controlled_by(body: Object) -> Object:
    metadata = body["metadata"]
    words = {key: body[key] for key in ("apiVersion", "kind")}
    return {**words, "name": metadata["name"], "uid": metadata["uid"], "controller": True}
