"""
The words the API models are written with: bounded types, validation rules, list semantics.

Each ends up in the generated CRD (see ``structural``). Kubernetes needs a bound on every string, list and
map, or it cannot estimate what a rule costs; ``tests/unit/api/test_crd.py`` proves that none is missing.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

VALIDATIONS = "x-kubernetes-validations"

Rule = dict[str, Any]


class Part(BaseModel):
    """A part of a resource: camelCase in the cluster, snake_case here, unknown fields left out."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        populate_by_name=True,
        use_attribute_docstrings=True,
        frozen=True,
        extra="ignore",
    )


def rule(expression: str, message: str, *, at: str | None = None) -> Rule:
    """Return one CEL rule; ``message`` says what would work, ``at`` is the field that the error names."""
    return {"rule": expression, "message": message} | ({"fieldPath": at} if at else {})


def rules(*every: Rule) -> ConfigDict:
    """Return the model configuration that attaches ``every`` rule to a whole object."""
    return ConfigDict(json_schema_extra={VALIDATIONS: list(every)})


def ruled(*every: Rule, **keywords: Any) -> dict[str, Any]:
    """Return the schema keywords that attach ``every`` rule to one field."""
    return {VALIDATIONS: list(every), **keywords}


def keyed_by(*fields: str) -> dict[str, Any]:
    """
    Return the keywords of a list whose items are told apart by ``fields`` (server-side apply merges them).
    """
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(fields)}


AS_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}
ATOMIC: dict[str, Any] = {"x-kubernetes-list-type": "atomic"}

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DNS_SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
QUANTITY = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"

Precision = Literal["fp32", "tf32", "fp16", "bf16", "int8", "fp8", "int4", "fp4"]
Flavor = Literal["TensorRT", "TensorRTRTX"]
Compatibility = Literal["Product", "SameComputeCapability", "AmperePlus"]

Arch = Annotated[str, Field(pattern=r"^sm_[0-9]{2,3}$", max_length=6)]
Product = Annotated[str, Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=63)]
FileWord = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$", max_length=63)]
Label = Annotated[str, Field(pattern=DNS_LABEL, max_length=63)]
NamespaceName = Annotated[str, Field(pattern=r"^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?)$", max_length=63)]
Subdomain = Annotated[str, Field(pattern=DNS_SUBDOMAIN, max_length=253)]
PriorityClass = Annotated[
    Subdomain,
    Field(
        json_schema_extra=ruled(
            rule(
                "!self.startsWith('system-')",
                "classes that begin with system- are reserved for the cluster's own components",
            )
        )
    ),
]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", max_length=64)]
CamelWord = Annotated[str, Field(pattern=r"^[A-Z][A-Za-z0-9]*$", max_length=63)]
Quantity = Annotated[
    int | Annotated[str, Field(pattern=QUANTITY)],
    Field(json_schema_extra={"maxLength": 32, "pattern": QUANTITY}),
]
Duration = Annotated[str, Field(pattern=DURATION, max_length=32)]
Time = Annotated[str, Field(max_length=64, json_schema_extra={"format": "date-time"})]
Line = Annotated[str, Field(max_length=253)]
Text = Annotated[str, Field(max_length=32768)]

KEPT_RULE = rule(
    "duration(self) >= duration('1h') && duration(self) <= duration('87600h')",
    "must lie between 1h and 87600h (ten years); leave the field out to use its default",
)
EVERY_NAMESPACE_IS_LAST = rule(
    "!self.exists(t, '*' in t.namespaces) || "
    "self.exists_one(t, '*' in t.namespaces) && '*' in self[size(self) - 1].namespaces",
    "the first entry that lists a namespace counts, so one with * must be the last: none after it would",
)
