"""
Names that other people's clusters depend on: the API group, labels, annotations, the gate, paths in pods.

Every process reads them from here; changing one is a change of the API.
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
RECORD_FILE = "engine.json"
"""What a pod finds in ``/engines/<alias>/``: the engine, and what the gateway said of it."""

FIELD_MANAGER = "ignition-hub"

LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGED_BY = "ignition-hub"

LABEL_INJECT = f"{GROUP}/inject"
LABEL_WAITING = f"{GROUP}/waiting"
"""``"true"`` on pods that hold our scheduling gate, so that they can be listed by label."""
LABEL_IDENTITY = f"{GROUP}/identity"
"""First 32 hex digits of the identity, on Jobs and builder pods (a label value has at most 63 characters)."""
LABEL_POOL = f"{GROUP}/pool"
LABEL_NAMESPACE = f"{GROUP}/namespace"
"""Namespace of the resource that asked first, on Jobs and builder pods: quotas and queues select by it."""
LABEL_JOB_NAME = "batch.kubernetes.io/job-name"
"""Kubernetes' own label: the Job that a pod belongs to."""

LABEL_GPU_ARCH = f"{GROUP}/gpu-arch"
"""Node label that wins over GPU Feature Discovery: ``sm_87``, ``sm87``, ``8.7`` or ``87``."""
LABEL_GPU_PRODUCT = f"{GROUP}/gpu-product"
"""Node label of the platform team: the exact product, such as ``Jetson-Orin-NX-16GB``."""
LABEL_JETPACK = f"{GROUP}/jetpack"
"""Node label of the platform team: the JetPack release of a Jetson node, such as ``6.2``."""

GATE = f"{GROUP}/engine"
"""Name of the scheduling gate a pod holds until its engines have a ready target."""

ANNOTATION_ENGINES = f"{GROUP}/engines"
ANNOTATION_MOUNT_PATH = f"{GROUP}/mount-path"
ANNOTATION_CONTAINERS = f"{GROUP}/containers"
ANNOTATION_ON_MISS = f"{GROUP}/on-miss"

ANNOTATION_REQUEST = f"{GROUP}/request"
"""Canonical JSON of the BuildRequest, on the Job."""
ANNOTATION_PROGRESS = f"{GROUP}/progress"
"""JSON ``{"phase", "percent"}`` on the Job, written by the gateway."""
ANNOTATION_FAILURE = f"{GROUP}/failure"
"""JSON ``{"reason", "message", "exitCode"}`` on the Job, written by the gateway."""
ANNOTATION_REBUILD = f"{GROUP}/rebuild-requested-at"
"""
On a TensorRTEngine: any new value starts failed builds again, and replaces published engines by new builds.
On a Job: the request that it answers.
"""

ANNOTATION_DEFAULT_STORE = f"{GROUP}/is-default-store"
"""``"true"`` on the one EngineStore that is used where several exist."""

RELEASE_NAMESPACE = "ignition-hub"
"""Default namespace of the controller, the gateway and their Secrets."""
BUILD_NAMESPACE = "ignition-hub-builds"
"""Default namespace of the Jobs and builder pods; it holds no Secret."""
BUILDER_SERVICE_ACCOUNT = "ignition-builder"
BUILDER_CONTAINER = "builder"
AUTHORITY_CONFIG_MAP = "ignition-hub-ca"
"""ConfigMap of the chart, in both namespaces: the authority of the gateway's certificate, as ``ca.crt``."""
