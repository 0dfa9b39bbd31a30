"""
What a gateway found of the bucket of the EngineStore in use: the answer of ``GET /v1/store``.

Only a write shows what a server does with conditions, and only the gateways write: they ask the bucket, and
the controller, which writes the status of the EngineStore, asks them.
"""

from dataclasses import dataclass

from ignition_hub.engine.codec import Record
from ignition_hub.engine.enums import StrEnum

CONDITIONAL_WRITES = "ConditionalWrites"
"""The condition of an EngineStore that tells what the gateways found."""


class StoreReason(StrEnum):
    """Why an EngineStore is Ready or not."""

    BUCKET_REACHABLE = "BucketReachable"
    SEVERAL_DEFAULTS = "SeveralDefaults"
    CREDENTIALS_INVALID = "CredentialsInvalid"
    BUCKET_NOT_FOUND = "BucketNotFound"
    ACCESS_DENIED = "AccessDenied"
    REGION_MISTAKEN = "RegionMistaken"
    SIGNED_URLS_REFUSED = "SignedUrlsRefused"
    BUCKET_UNREACHABLE = "BucketUnreachable"
    BUCKET_REFUSES = "BucketRefuses"


class WritesReason(StrEnum):
    """What is known of conditional writes, and why nothing is."""

    HONOURED = "ConditionsHonoured"
    NOT_HONOURED = "ConditionsNotHonoured"
    NOT_PROBED = "NotProbed"
    GATEWAY_UNREACHABLE = "GatewayUnreachable"
    NOT_IN_USE = "NotInUse"


@dataclass(frozen=True, slots=True)
class BucketPlace(Record):
    """Which bucket was asked, as the EngineStore names it."""

    endpoint: str
    region: str
    bucket: str
    prefix: str


@dataclass(frozen=True, slots=True)
class StoreFindings(Record):
    """
    What one gateway found of one bucket.

    ``reason`` is a word of ``StoreReason``; a failure has a ``message`` with what would work. ``conditional``
    tells whether conditional writes keep two writers apart; None while that was not asked. ``holds`` are the
    conditional requests that do, ``broken`` those that do not, with what was seen, and ``notes`` what else
    the server does not do.
    """

    replica: str
    place: BucketPlace
    reason: str
    message: str
    conditional: bool | None
    holds: tuple[str, ...]
    broken: tuple[str, ...]
    notes: tuple[str, ...]
