"""
Names that other people's clusters depend on: API group, labels, annotations, scheduling gate, paths in pods.

Every process reads them from here, and what a pod's author may set from ``pod_annotations``; changing one is
a change of the API.
"""

GROUP = "ignitionhub.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

AUDIENCE = "ignition-hub"
"""Audience of the projected ServiceAccount tokens that the gateway accepts."""

TOKEN_FOLDER = "/var/run/secrets/ignition"  # noqa: S105  (a path)
TOKEN_FILE = f"{TOKEN_FOLDER}/token"
"""Where the token is mounted in builder pods and in the init container."""

ENGINES_FOLDER = "/engines"
ENGINE_FILE = "model.engine"
"""The engine, which a pod finds in ``/engines/<alias>/``."""
RECORD_FILE = "engine.json"
"""Beside it: what loading the engine takes, as the gateway said it; the whole manifest is in the store."""
MODEL_FOLDER = "onnx"
"""Beside it, in place of the engine: the folder of the ONNX model and of its external data."""
MODEL_FILE = "model.onnx"
"""The model in that folder."""

IMAGES_FOLDER = "/ignition-images"
"""Where a pod with ``delivery: ImageVolume`` has each engine's image, in a folder of the alias."""
IMAGE_VOLUME = "ignition-image"
"""Begins the names of those volumes; the position of the engine in the annotation follows."""

INIT_CONTAINER = "ignition-fetch"
"""Fetches and verifies the engines; it ends before any container that gets them starts."""
ENGINES_VOLUME = "ignition-engines"
"""
Holds the engines; mounted read-only in the containers that get them, unless they mount it themselves. A pod
may bring a volume of this name.
"""
TOKEN_VOLUME = "ignition-token"  # noqa: S105  (a volume's name)
"""A ServiceAccount token for the gateway alone; mounted in the init container only."""

FIELD_MANAGER = "ignition-hub"

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
"""Job label of the controller: ``ignition-hub``, by which it finds its own; on builder pods too."""
MANAGED_BY = "ignition-hub"

LABEL_INJECT = f"{GROUP}/inject"
"""Pod label of the author: ``"true"`` asks the webhook for the engines that the annotations name."""
LABEL_WAITING = f"{GROUP}/waiting"
"""Pod label of the webhook: ``"true"`` while the pod holds the scheduling gate, to list such pods by."""
LABEL_ROLLS = f"{GROUP}/rolls"
"""Pod label of the webhook: ``"true"`` where the annotation ``rollout`` is ``Automatic``, to list pods by."""
LABEL_IDENTITY = f"{GROUP}/identity"
"""
Job label of the controller: first 32 hex digits of the identity (a label value has at most 63 characters);
on builder pods too.
"""
LABEL_POOL = f"{GROUP}/pool"
"""Job label of the controller: name of the BuildPool; on builder pods too."""
LABEL_NAMESPACE = f"{GROUP}/namespace"
"""
Job label of the controller: namespace by whose entry of the BuildPool's ``spec.tenants`` it is scheduled;
on builder pods too.
"""
LABEL_JOB_NAME = "batch.kubernetes.io/job-name"
"""Job label of Kubernetes: name of the Job, on builder pods; their tokens are good for its build alone."""

LABEL_GPU_ARCH = f"{GROUP}/gpu-arch"
"""Node label of the platform team: wins over GPU Feature Discovery; ``sm_87``, ``sm87``, ``8.7``, ``87``."""
LABEL_GPU_PRODUCT = f"{GROUP}/gpu-product"
"""Node label of the platform team: the exact product, such as ``Jetson-Orin-NX-16GB``."""
LABEL_JETPACK = f"{GROUP}/jetpack"
"""Node label of the platform team: the JetPack release of a Jetson node, such as ``6.2``."""

ANNOTATION_SAFE_TO_EVICT = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
"""
Pod annotation of the author: volumes whose loss lets the cluster autoscaler take the node away, as
``name,...``; the webhook appends that of the engines.
"""

ANNOTATION_ROLLED = f"{GROUP}/engines-rolled-at"
"""
Pod annotation of the controller: when it last had the pods of this workload restarted for new engines (RFC
3339). It writes it to the workload's pod template.
"""
ROLLOUT_MANAGER = "ignition-hub-rollout"
"""Field manager of that annotation, which is all that it owns of a workload."""

SCHEDULING_GATE = f"{GROUP}/engine"
"""Name of the scheduling gate a pod holds until its engines have a ready target."""

ANNOTATION_REQUEST = f"{GROUP}/request"
"""Job annotation of the controller: canonical JSON of the BuildRequest."""
ANNOTATION_PROGRESS = f"{GROUP}/progress"
"""Job annotation of the gateway: JSON ``{"phase", "percent"}``."""
ANNOTATION_FAILURE = f"{GROUP}/failure"
"""Job annotation of the gateway: JSON ``{"reason", "message", "exitCode"}``."""
ANNOTATION_REBUILD = f"{GROUP}/rebuild-requested-at"
"""
TensorRTEngine annotation of the user: any new value starts failed builds again, and replaces published
engines by new builds. On a Job: the request that it answers.
"""

ANNOTATION_DEFAULT_STORE = f"{GROUP}/is-default-store"
"""EngineStore annotation of the platform team: ``"true"`` on the one that is used where several exist."""

PUBLISH_LEASE = "ignition-hub-publish"
"""The Lease by which gateways publish one at a time, where the store keeps no two writers apart."""
RELEASE_NAMESPACE = "ignition-hub"
"""Default namespace of the controller, the gateway and their Secrets."""
BUILD_NAMESPACE = "ignition-hub-builds"
"""Default namespace of the Jobs and builder pods; it holds no Secret."""
BUILDER_SERVICE_ACCOUNT = "ignition-builder"
BUILDER_CONTAINER = "builder"
AUTHORITY_CONFIG_MAP = "ignition-hub-ca"
"""ConfigMap of the chart, in both namespaces: the authority of the gateway's certificate, as ``ca.crt``."""
