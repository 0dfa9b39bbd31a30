"""
What a serving process takes upon itself when it loads what nobody vouches for, each with a stated reason.

An engine is code: whoever can write the file can run code in the process that loads it.
"""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """
    The guards that are waived, and why; a reason is a sentence for the log. By default none is.

    ``unverified``: load a file that has no manifest or record beside it. ``host_code``: let a version
    compatible engine run the lean runtime it carries, which is host code (``engine_host_code_allowed``).
    ``warned``: load where NVIDIA only warns of lost speed, errors or deadlock, as on another product of one
    compute capability.
    """

    unverified: str | None = None
    host_code: str | None = None
    warned: str | None = None

    def __post_init__(self) -> None:
        for guard in fields(self):
            reason = getattr(self, guard.name)
            if reason is not None and not reason.strip():
                raise ValueError(f"Trust.{guard.name}: say why, in a sentence for the log")


NO_TRUST = Trust()
