"""
Which reason of an EngineStore an error of its bucket is: in the words of controller and gateway alike.
"""

from collections.abc import Mapping

from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.store_findings import StoreReason
from ignition_hub.store.errors import (
    AccessDenied,
    BucketMissing,
    RegionMistaken,
    SecretUnusable,
    StoreBusy,
    StoreUnavailable,
)

_REASONS: Mapping[type[IgnitionError], StoreReason] = {
    SecretUnusable: StoreReason.CREDENTIALS_INVALID,
    BucketMissing: StoreReason.BUCKET_NOT_FOUND,
    AccessDenied: StoreReason.ACCESS_DENIED,
    RegionMistaken: StoreReason.REGION_MISTAKEN,
    StoreUnavailable: StoreReason.BUCKET_UNREACHABLE,
    StoreBusy: StoreReason.BUCKET_UNREACHABLE,
}


def reason_of(error: IgnitionError) -> StoreReason:
    """Return the reason that an EngineStore is not Ready after ``error``."""
    return _REASONS.get(type(error), StoreReason.BUCKET_REFUSES)
