"""
What things are called: engine files, Jobs and the keys of the store.

The name is for people; it cannot tell two sets of shapes apart, so the identity is the folder. A local
cache uses the same tree. Layout of one engine::

    <prefix>/engines/<model name>/<identity, 16 hex>/<engine sha256, 16 hex>/<name>.trt
                                                                             <name>.trt.<16 hex>.intoto.json
                                                                             build.log
                                                     <name>.trt.json          the manifest, written last

and of the timing caches, whose owner is ``timing_cache``'s word::

    <prefix>/timing-caches/<product>/<TensorRT version>/<owner>/<platform>-cuda<CUDA release>.cache
"""

import re
from dataclasses import dataclass

from ignition_hub.engine.enums import StrEnum
from ignition_hub.engine.errors import ContractError
from ignition_hub.engine.identity import EngineInputs


class Tree(StrEnum):
    """The folders right below a store's prefix: of these a tenant reads only what its namespace pushed."""

    MODELS = "models"
    """What ``ignition push`` brought, by namespace."""
    ENGINES = "engines"
    TIMING_CACHES = "timing-caches"
    UNSIGNED = "unsigned"
    """A tree of its own, of engines that machines without a signing key built."""


_SHA256 = r"[0-9a-f]{64}"
_NAME_CHARACTERS = 512  # with any prefix it fits the 1,024 bytes of a key of S3
_SEGMENT_BYTES = 255  # what file systems take as one name
_NAMESPACE = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_PRODUCT = r"[A-Za-z0-9]([A-Za-z0-9._-]{0,126}[A-Za-z0-9])?"
_CUDA = r"[0-9]{1,3}(\.[0-9]{1,6}){0,3}"
_CACHE_OWNER = rf"namespaces/{_NAMESPACE}|models/[0-9a-f]{{32}}"


def engine_file_name(inputs: EngineInputs) -> str:
    """Return ``{model}_{version}_{precision}_{arch}_{TensorRT}.trt``: ``vit_v1_fp16_sm_86_10.13.2.trt``."""
    # People know releases by three parts; the build number is in the identity.
    release = ".".join(inputs.tensorrt_version.split(".")[:3])
    model = inputs.model
    return f"{model.name}_{model.version}_{inputs.precision}_{inputs.gpu_arch}_{release}.trt"


def identity_label(identity: str) -> str:
    """Return as much of ``identity`` as a label holds, and a Job's name: 32 digits."""
    return identity[:32]


def job_name(identity: str) -> str:
    """Return the name of the one Job that builds ``identity``."""
    return f"ignition-build-{identity_label(_sha256('identity', identity))}"


def engines_named(text: str) -> list[tuple[str, str]]:
    """Return the alias and the TensorRTEngine of each ``[alias=]resource`` that a pod's annotation lists."""
    pairs = [[piece.strip() for piece in item.split("=", 1)] for item in text.split(",") if item.strip()]
    return [(pair[0], pair[-1]) for pair in pairs]


def pushed_model_key(prefix: str, namespace: str, sha256: str) -> str:
    """Return the key under which ``ignition push`` stores a model for one namespace."""
    if not re.fullmatch(_NAMESPACE, namespace):
        raise ContractError(f"namespace: {namespace!r:.80} is not a Kubernetes namespace name")
    return _under(prefix, Tree.MODELS, f"{namespace}/{_sha256('sha256', sha256)}.onnx")


def pushed_models_folder(prefix: str, namespace: str) -> str:
    """Return the folder, with its trailing /, of all that ``ignition push`` stores for one namespace."""
    return pushed_model_key(prefix, namespace, "0" * 64).rpartition("/")[0] + "/"


def pushed_bundle_folder(prefix: str, namespace: str, digest: str) -> str:
    """Return the folder, with its trailing /, in which ``ignition push`` stores the files of one bundle."""
    return pushed_model_key(prefix, namespace, digest).removesuffix(".onnx") + "/"


def timing_cache_key(prefix: str, inputs: EngineInputs, *, product: str, owner: str, cuda: str) -> str:
    """
    Return the key of a timing cache; ``product`` is the exact one, with its MIG profile.

    TensorRT takes a cache only of the same product, release and CUDA (NVIDIA documentation). Raises
    ContractError for what cannot be part of a key.
    """
    for name, value, pattern in (
        ("product", product, _PRODUCT),
        ("owner", owner, _CACHE_OWNER),
        ("cuda", cuda, _CUDA),
    ):
        if not re.fullmatch(pattern, value):
            raise ContractError(f"{name}: {value!r:.80} cannot be part of a timing cache's key")
    file = f"{inputs.platform}-cuda{cuda}.cache"
    return _under(prefix, Tree.TIMING_CACHES, f"{product}/{inputs.tensorrt_version}/{owner}/{file}")


def is_plain_path(name: str) -> bool:
    """Tell whether a relative name of a file means the same in a bucket and in any file system."""
    if not name.isprintable() or "\\" in name or len(name) > _NAME_CHARACTERS:
        return False
    segments = name.split("/")
    return not any(part in {"", ".", ".."} or len(part.encode()) > _SEGMENT_BYTES for part in segments)


def engine_folder(prefix: str, model_name: str, identity: str) -> str:
    """Return the folder of everything that belongs to one identity."""
    return _under(prefix, Tree.ENGINES, f"{model_name}/{_sha256('identity', identity)[:16]}")


@dataclass(frozen=True, slots=True)
class StorePaths:
    """The keys of everything that belongs to one engine identity under a store's prefix."""

    prefix: str
    inputs: EngineInputs
    identity: str

    @property
    def name(self) -> str:
        """The engine's file name."""
        return engine_file_name(self.inputs)

    @property
    def folder(self) -> str:
        """The folder of the identity."""
        return engine_folder(self.prefix, self.inputs.model.name, self.identity)

    @property
    def manifest(self) -> str:
        """The manifest: the engine exists when this key does."""
        return f"{self.folder}/{self.name}.json"

    def engine(self, sha256: str) -> str:
        """Return the key of the engine with this digest; two builders of one identity never share a key."""
        return f"{self._build(sha256)}/{self.name}"

    def provenance(self, sha256: str, manifest_sha256: str = "") -> str:
        """
        Return the key of the signed provenance of an engine.

        In the hub's store it is that of one manifest, by the digest that the manifest has without this name.
        """
        of_one = f".{_sha256('manifest_sha256', manifest_sha256)[:16]}" if manifest_sha256 else ""
        return f"{self.engine(sha256)}{of_one}.intoto.json"

    def log(self, sha256: str) -> str:
        """Return the key of the build log."""
        return f"{self._build(sha256)}/build.log"

    def _build(self, sha256: str) -> str:
        return f"{self.folder}/{_sha256('sha256', sha256)[:16]}"


def _under(prefix: str, tree: Tree, key: str) -> str:
    return f"{prefix.strip('/')}/{tree}/{key}".lstrip("/")


def _sha256(field: str, value: str) -> str:
    if not re.fullmatch(_SHA256, value):
        raise ContractError(f"{field}: {value!r:.80} is not a SHA-256", "expected 64 lower-case hex digits")
    return value
