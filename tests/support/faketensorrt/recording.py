"""What was called on a fake module, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Call:
    """One call, ``IBuilderConfig.set_flag``, or one property set, ``IBuilderConfig.max_aux_streams``."""

    name: str
    arguments: tuple[Any, ...]
