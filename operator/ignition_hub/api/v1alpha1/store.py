"""
EngineStore: the S3-compatible bucket that engines are kept in, and what namespaces may read and keep there.

The platform team's. The only secret is named here and read by the gateway and the controller alone.
"""

from typing import Annotated

from pydantic import Field

from ignition_hub.api.schema import (
    AS_SET,
    ATOMIC,
    EVERY_NAMESPACE_IS_LAST,
    KEPT_RULE,
    Duration,
    Line,
    NamespaceName,
    Part,
    Quantity,
    Subdomain,
    keyed_by,
    rule,
    ruled,
)
from ignition_hub.api.v1alpha1.common import Condition, CustomResource

ENDPOINT_RULES = (
    rule("self.startsWith('https://') || self.startsWith('http://')", "must start with https:// or http://"),
    rule(
        r"self.matches('^https?://[A-Za-z0-9.:_\\[\\]-]+/?$')",
        "must be a scheme, a host and optionally a port, for example https://s3.example.com",
    ),
)
PREFIX_RULE = rule(
    "!self.startsWith('/') && !self.endsWith('/') && !self.contains('//') && "
    "self.split('/').all(part, part != '.' && part != '..')",
    "must not begin or end with / and have no empty, . or .. parts, for example ignition or teams/vision",
)
SOURCE_RULES = (
    rule("self.startsWith('s3://')", "must start with s3://; only buckets are read"),
    rule(
        "self.endsWith('/')",
        "must end with /, or s3://models would also open s3://models-private/",
    ),
    rule(
        r"self.matches('^[a-z0-9]+://[A-Za-z0-9][A-Za-z0-9.:_-]*/[^?#]*$')",
        "must name a bucket, without user name, query or fragment, for example s3://models/",
    ),
    rule(
        r"!self.matches('(?i)(/|%2f)([.]|%2e){1,2}(/|%2f|$)')",
        "must have no . or .. between slashes: it would open more than it says",
    ),
)

STORAGE_RULE = rule(
    "isQuantity(string(self)) && !quantity(string(self)).isLessThan(quantity('0'))",
    "must be a quantity of at least 0, for example 200Gi",
)
UPLOAD_RULE = rule(
    "duration(self) >= duration('24h') && duration(self) <= duration('87600h')",
    "must lie between 24h and 87600h: the largest models take most of a day",
)


class SecretRef(Part):
    """A Secret in the release namespace of Ignition Hub."""

    name: Subdomain
    """Name of the Secret. Its keys: accessKey, secretKey and optionally sessionToken."""


class S3(Part):
    """An S3-compatible bucket. Paths, not host names, select the bucket."""

    endpoint: Annotated[str, Field(max_length=512, json_schema_extra=ruled(*ENDPOINT_RULES))]
    """
    Address of the service; builders and serving pods must reach it too, for they transfer by signed URLs.
    Example: https://s3.example.com
    """
    region: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]+$", max_length=63)] = "us-east-1"
    """Region the requests are signed for. Default: us-east-1."""
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*[a-z0-9]$", min_length=3, max_length=63)]
    """Name of the bucket; it must exist and should be the hub's own. Example: engines"""
    prefix: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9._/-]*$", max_length=256, json_schema_extra=ruled(PREFIX_RULE))
    ] = ""
    """Where in the bucket everything is kept. Default: at its root. Example: ignition"""
    credentials_secret_ref: SecretRef
    """The Secret with the access keys."""


REGISTRY_RULE = rule(
    r"self.matches('^[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$')",
    "must be a host, perhaps with a port and a path in lower case, for example registry.example.com/engines",
)


class PushSecretRef(Part):
    """A Secret of the type kubernetes.io/dockerconfigjson in the release namespace of Ignition Hub."""

    name: Subdomain
    """Name of the Secret; it has a user for the host of the registry."""


class ImageRegistry(Part):
    """An OCI registry that ready engines are pushed to, for pods that mount them as images."""

    repository: Annotated[str, Field(max_length=160, json_schema_extra=ruled(REGISTRY_RULE))]
    """
    Below which every TensorRTEngine has a repository, by namespace and name. Nodes must reach it under this
    name, and pull with credentials of their own. Example: registry.example.com/engines
    """
    credentials_secret_ref: PushSecretRef | None = None
    """The Secret of the user that pushes; only the gateway reads it. Default: the registry asks for none."""
    ca_bundle: Annotated[str, Field(max_length=65536)] = ""
    """PEM certificates that vouch for the registry's, beside those of the gateway's image. Default: none."""
    plain_http: Annotated[bool, Field(alias="plainHTTP")] = False
    """Whether the registry has no TLS: for a trial. Default: false."""


class ModelSource(Part):
    """Models that some namespaces may read with the hub's credentials."""

    prefix: Annotated[str, Field(min_length=1, max_length=512, json_schema_extra=ruled(*SOURCE_RULES))]
    """Beginning of the addresses, with its trailing /. Example: s3://models/"""
    namespaces: Annotated[
        tuple[NamespaceName, ...], Field(min_length=1, max_length=256, json_schema_extra=AS_SET)
    ]
    """Namespaces that may read them; "*" stands for all. Example: [vision]"""


class PluginSource(Part):
    """Plugin libraries that some namespaces may have loaded."""

    prefix: Annotated[str, Field(min_length=1, max_length=512, json_schema_extra=ruled(*SOURCE_RULES))]
    """
    Beginning of the addresses, with its trailing /. Nobody but the platform team should be able to write
    there: a library runs as code in the builder. Example: s3://plugins/
    """
    namespaces: Annotated[
        tuple[NamespaceName, ...], Field(min_length=1, max_length=256, json_schema_extra=AS_SET)
    ]
    """Namespaces that may load them; "*" stands for all. Example: [vision]"""


class StorageQuota(Part):
    """How much each of some namespaces may keep in the store."""

    namespaces: Annotated[
        tuple[NamespaceName, ...], Field(min_length=1, max_length=256, json_schema_extra=AS_SET)
    ]
    """Namespaces it applies to, each on its own; "*" stands for every namespace. Example: [vision]"""
    storage: Annotated[Quantity, Field(json_schema_extra=ruled(STORAGE_RULE))]
    """
    Bytes that each of these namespaces may use: the models it pushed, and the engines of its
    TensorRTEngines, each engine once. An engine that namespaces share counts for each of them. 0 lets
    nothing in. Example: 200Gi
    """


KeptFor = Annotated[Duration | None, Field(json_schema_extra=ruled(KEPT_RULE))]


class Retention(Part):
    """
    How long the store keeps what nothing uses; `kubectl ignition prune` removes it afterwards. What a
    resource uses is kept, whatever these say.
    """

    unfinished_uploads: Annotated[Duration, Field(json_schema_extra=ruled(UPLOAD_RULE))] = "168h"
    """Uploads that were begun and never completed, since they were begun. Default: 168h."""
    superseded_builds: Annotated[Duration, Field(json_schema_extra=ruled(KEPT_RULE))] = "168h"
    """
    Builds that no manifest names, since a later build replaced them, and in any case while a pod runs that is
    older than the later build. Default: 168h.
    """
    deleted_engines: Annotated[Duration, Field(json_schema_extra=ruled(KEPT_RULE))] = "24h"
    """
    Engines whose resources had `deletionPolicy: Delete` and are deleted, since they were first found unused.
    Default: 24h.
    """
    engines: KeptFor = None
    """
    All other engines that no resource uses, since they were first found unused. Default: for ever. Example:
    2160h
    """
    models: KeptFor = None
    """
    Pushed models that no resource names, since they were first found unused. Default: for ever. Example:
    2160h
    """
    logs: KeptFor = None
    """Build logs of engines that are kept, since they were written. Default: for ever. Example: 2160h"""
    timing_caches: KeptFor = None
    """Timing caches, since they were last written. Default: for ever. Example: 4320h"""


class EngineStoreSpec(Part):
    """Where engines are kept and what may be read."""

    s3: S3
    """The bucket."""
    model_sources: Annotated[tuple[ModelSource, ...], Field(max_length=64, json_schema_extra=ATOMIC)] = ()
    """
    What namespaces may read with the hub's credentials; nothing else. Models pushed by a namespace are always
    its own to read. Default: none.
    """
    plugin_sources: Annotated[tuple[PluginSource, ...], Field(max_length=64, json_schema_extra=ATOMIC)] = ()
    """
    Where plugin libraries may come from, which is never what a namespace pushed or may merely read. Default:
    none, engines with plugins are refused.
    """
    registry: ImageRegistry | None = None
    """
    Where engines are pushed as images, for pods with `ignitionhub.io/delivery: ImageVolume`. Default:
    nowhere.
    """
    retention: Retention = Retention()
    """How long what nothing uses is kept. Default: see each field."""
    quotas: Annotated[
        tuple[StorageQuota, ...],
        Field(max_length=64, json_schema_extra=ruled(EVERY_NAMESPACE_IS_LAST, **ATOMIC)),
    ] = ()
    """
    How much namespaces may keep in the store; the first entry that lists a namespace counts for it. What
    would exceed a quota is not pushed and not built; what is there stays. Default: no limit.
    """


class NamespaceStorage(Part):
    """What a namespace uses of its quota, as people read it."""

    namespace: Annotated[str, Field(max_length=63)]
    """The namespace."""
    used: Line
    """Bytes of its pushed models and its engines. Example: 150Gi"""
    quota: Line
    """Bytes that it may use. Example: 200Gi"""


class EngineStoreStatus(Part):
    """What was found about the store."""

    observed_generation: int | None = None
    """The generation of the spec that this status speaks of."""
    conditions: Annotated[
        tuple[Condition, ...], Field(max_length=16, json_schema_extra=keyed_by("type"))
    ] = ()
    """
    Ready, when the bucket answers to the credentials in the Secret and its server takes what the hub relies
    on. ConditionalWrites, when conditional requests keep two writers apart; where they do not, engines are
    published one at a time.
    """
    default: bool | None = None
    """Whether this is the store that the hub uses."""
    storage: Annotated[
        tuple[NamespaceStorage, ...], Field(max_length=64, json_schema_extra=keyed_by("namespace"))
    ] = ()
    """
    What namespaces use of `spec.quotas`, the 64 fullest of them; at most some minutes old. Absent without
    quotas, and where the store is not in use.
    """


class EngineStore(CustomResource):
    """
    The S3-compatible bucket that engines are kept in. Owned by the platform team. With several, the one
    annotated ignitionhub.io/is-default-store: "true" is used.
    """

    kind: str = "EngineStore"
    """Kind of this object."""
    spec: EngineStoreSpec
    """Where engines are kept and what may be read."""
    status: EngineStoreStatus = EngineStoreStatus()
    """What was found about the store."""
