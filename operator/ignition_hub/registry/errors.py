"""What a registry says when it does not take an image, as members of the project's one error tree."""

from ignition_hub.engine.errors import IgnitionError, Reason, TransientError


class RegistryRefused(IgnitionError):
    """The registry answered, and will answer the same again: rights, a quota, a name; in its own words."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(Reason.StoreMisconfigured, message, remedy)


class RegistryUnavailable(TransientError):
    """The registry did not answer, not in time, or said "not now"."""

    def __init__(self, message: str) -> None:
        super().__init__(Reason.StoreUnavailable, message, "it is tried again")
