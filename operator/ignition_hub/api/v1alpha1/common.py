"""What every kind shares: metadata, conditions, and the address of an object somewhere else."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from ignition_hub.api.schema import Part, Sha256, Text, Time, rule, ruled, rules

C = TypeVar("C", bound="CustomResource")


class ObjectMeta(Part):
    """The part of an object's metadata that the operator reads; the API server owns its schema."""

    name: str
    """The name of the object."""
    namespace: str | None = None
    """The namespace of the object; absent on cluster-scoped kinds."""
    uid: str = ""
    """What tells this object from an earlier one of the same name."""
    generation: int = 0
    """Counts the changes of `spec`."""
    resource_version: str = ""
    """Changes with every write."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the object."""
    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations of the object."""
    creation_timestamp: str | None = None
    """When the object was created."""
    deletion_timestamp: str | None = None
    """When its deletion was asked for."""


class CustomResource(Part):
    """The envelope of every kind."""

    api_version: str = "ignitionhub.io/v1alpha1"
    """Version of the schema of this object."""
    kind: str = ""
    """Kind of this object."""
    metadata: ObjectMeta
    """Standard object metadata."""

    @classmethod
    def as_asked(cls: type[C], body: Mapping[str, Any]) -> C:
        """
        Return an object without its status, which a controller of another release may have written.

        Raise ``pydantic.ValidationError`` for what no CRD lets in.
        """
        return cls.model_validate({name: value for name, value in body.items() if name != "status"})


class Condition(Part):
    """A condition as in other Kubernetes resources."""

    type: Annotated[str, Field(max_length=316)]
    """
    Which aspect: Ready, Reconciling or Stalled. Tools that wait read these (`kubectl wait`, Argo CD, Flux,
    Helm).
    """
    status: Literal["True", "False", "Unknown"]
    """True, False or Unknown."""
    observed_generation: int | None = None
    """The `metadata.generation` that the condition is based on."""
    last_transition_time: Time
    """When `status` last changed."""
    reason: Annotated[
        str, Field(pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", min_length=1, max_length=1024)
    ]
    """Reason for machines, one CamelCase word. Example: Building."""
    message: Text
    """Message for people: what happened, and what to do next."""


URI_RULES = (
    rule(
        "self.startsWith('s3://')",
        "must start with s3://; upload a local file with: kubectl ignition push model.onnx",
    ),
    rule(
        "!self.contains('?') && !self.contains('#')",
        "must carry no query and no fragment: a signed URL expires, the hub reads with its own credentials",
    ),
    rule(
        "!self.matches('^[^/]*//[^/]*@')",
        "must carry no user name or password: the hub reads with its own credentials",
    ),
    rule(
        r"self.matches('^[a-z0-9]+://[A-Za-z0-9][A-Za-z0-9.:_-]*/[^/]')",
        "must name a bucket and an object, for example s3://models/arcface_r100.onnx",
    ),
    rule(
        r"!self.matches('^[a-z0-9]+://.*//') && !self.matches('(?i)(/|%2f)([.]|%2e){1,2}(/|%2f|$)')",
        "must have no empty, . or .. part between slashes: the path has to name one object",
    ),
    rule(r"!self.matches('[[:space:][:cntrl:]]')", "must have no blanks or control characters"),
)
Uri = Annotated[str, Field(min_length=1, max_length=1024, json_schema_extra=ruled(*URI_RULES))]


class Source(Part):
    """Where an object is read from, and optionally which bytes it must have."""

    model_config = rules(
        rule(
            "!(self.uri.endsWith('/') && has(self.sha256))",
            "sha256 pins one file, and a uri that ends in / is a bundle; leave sha256 out",
            at=".sha256",
        )
    )

    uri: Uri
    """
    Address of the object, `s3://bucket/key`. A trailing / means a bundle: below it are exactly one .onnx file
    and at most 256 files of external data. What a namespace may read is listed in EngineStore
    `spec.modelSources`. No credentials, no query. Example: s3://models/arcface_r100.onnx
    """
    sha256: Sha256 | None = None
    """
    SHA-256 of the bytes, 64 lower-case hex digits. Default: not pinned; the object's ETag and size stand for
    its content and are checked every 10 minutes, so a replaced object is rebuilt.
    """


class PinnedSource(Part):
    """Where an object is read from, with the bytes it must have."""

    model_config = rules(
        rule("!self.uri.endsWith('/')", "must name one file, and not end in /", at=".uri"),
    )

    uri: Uri
    """Address of the object, `s3://bucket/key`. Example: s3://models/calibration.npz"""
    sha256: Sha256
    """
    SHA-256 of the bytes, 64 lower-case hex digits. Required: unlike the model, this object is not watched.
    """
