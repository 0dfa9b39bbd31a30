"""How loading and running fail: members of the project's one error tree, with the reasons of its one page."""

from collections.abc import Mapping
from types import MappingProxyType

from ignition_hub.engine.errors import IgnitionError, Reason


class EngineRefused(IgnitionError):
    """An engine is not loaded; ``message`` names the file and why, ``remedy`` what would work."""


class InputRefused(IgnitionError):
    """
    Inputs that the engine was not built for; nothing was enqueued.

    ``input`` is the offending one, None where one is missing; ``nearest`` maps each input that has to change
    to the nearest shape that would fit, empty where a shape is not what is wrong.
    """

    def __init__(
        self,
        message: str,
        remedy: str,
        *,
        name: str | None = None,
        nearest: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
    ) -> None:
        super().__init__(Reason.InvalidInput, message, remedy)
        self.input = name
        self.nearest = dict(nearest)
