"""
What can go wrong on one machine, as members of the project's one error tree.
"""

from ignition_hub.engine.errors import IgnitionError, NodeError, Reason, RequestError

ANOTHER_FOLDER = "free disk space, or set TENSORRT_CACHE_DIR to another folder"


class CacheUnusable(NodeError):
    """The cache, or the place a copy goes to, cannot be written: full, read-only, or no folder at all."""

    def __init__(self, message: str, remedy: str = ANOTHER_FOLDER) -> None:
        super().__init__(Reason.InsufficientDisk, message, remedy)


class BuilderMissing(NodeError):
    """The packages that build an engine are not installed here."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(Reason.WrongTensorRT, message, remedy)


class StoreDeclined(IgnitionError):
    """The artifacts store did not serve us; the work goes on without it."""


def wrong(what: str, value: object, why: str, remedy: str) -> RequestError:
    """Build the error for an argument or variable that cannot be used."""
    return RequestError(Reason.InvalidRequest, f"{what}: {value!r}: {why}", remedy)
