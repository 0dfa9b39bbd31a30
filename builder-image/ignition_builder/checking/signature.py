"""
The inputs of a model as a caller has to give them, and how messages spell them. Nothing here needs ONNX.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from ignition_hub.engine.errors import Reason, RequestError


@dataclass(frozen=True, slots=True)
class ModelInput:
    """
    One input of a model; ``shape`` has an integer per fixed dimension and a name (maybe empty) per free one.

    ``shape`` is None when the model does not even say the rank.
    """

    name: str
    dtype: str
    shape: tuple[int | str, ...] | None

    @property
    def dynamic(self) -> bool:
        """Whether a profile has to say something about it."""
        return self.shape is None or any(isinstance(size, str) for size in self.shape)

    def __str__(self) -> str:
        sizes = "?" if self.shape is None else ", ".join(str(size) or "?" for size in self.shape)
        return f"{self.name} [{sizes}]"


def listed(inputs: Iterable[ModelInput]) -> str:
    """Spell inputs for a message."""
    return ", ".join(str(item) for item in inputs) or "no inputs"


def misfit(message: str, remedy: str) -> RequestError:
    """Build the error for a profile that does not go with the model."""
    return RequestError(Reason.InvalidProfile, message, remedy)
