"""
What TensorRT's own refusal means: the words it logged, recognised, as one error with a reason and a remedy.
"""

from collections.abc import Sequence
from pathlib import Path

from ignition_hub.compatibility.load_errors import cause_of
from ignition_hub.engine.errors import Reason
from ignition_hub.engine.quoting import quoted
from ignition_hub.runtime.errors import EngineRefused

QUOTE_LENGTH = 600


def refusal_of(path: Path, messages: Sequence[str]) -> EngineRefused:
    """Return the error for an engine that TensorRT gave back as None after logging ``messages``."""
    if known := cause_of(messages):
        said = "; ".join(quoted(message, QUOTE_LENGTH) for message in messages)
        return EngineRefused(known.reason, f"{path}: {known.means}; TensorRT said “{said}”", known.remedy)
    if messages:
        said = f"{path}: TensorRT refused it: “{quoted(messages[0], QUOTE_LENGTH)}”"
        return EngineRefused(Reason.LoadFailed, said, "build it for this GPU and this TensorRT")
    return EngineRefused(
        Reason.LoadFailed,
        f"{path}: TensorRT refused it and logged no error to this process's logger",
        "load engines before other code creates a TensorRT logger: TensorRT uses the first one of a process",
    )
