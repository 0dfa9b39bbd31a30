"""What came of one model in one precision, and the file that keeps it from one run to the next."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from realzoo.judging import Difference, faults_of

PASSED, HELD_BACK, NOTHING = "passed", "held back", "nothing to compare"
REFUSED, LATE, CRASHED = "refused", "not in time", "crashed"
ENGINES = (PASSED, NOTHING)
"""Verdicts with an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """
    One build: the model (``exporter``, ``opset``, bytes with external data), the ``verdict``, the ``way`` to
    the precision, the engine's ``size`` in bytes, ``difference``: the largest difference that the check saw.

    ``reason``, ``message`` and ``remedy`` say why there is no engine. ``seconds`` are of the whole build with
    its check, ``peak`` is the largest process of it in bytes. ``emulation`` and ``outputs`` are what the
    inputs that were held out said, ``untold`` why they said nothing.
    """

    case: str
    precision: str
    exporter: str
    opset: int
    model: int
    verdict: str
    way: str = ""
    size: int = 0
    difference: float | None = None
    reason: str = ""
    message: str = ""
    remedy: str = ""
    seconds: float = 0.0
    peak: int = 0
    emulation: str = ""
    outputs: tuple[Difference, ...] = field(default=(), hash=False)
    untold: str = ""

    @property
    def faults(self) -> tuple[str, ...]:
        """What makes a pass a wrong one, or would have."""
        return tuple(faults_of(self.outputs))

    @property
    def is_wrong_pass(self) -> bool:
        """Whether the check passed what inputs that it had not seen do not bear out."""
        return self.verdict == PASSED and bool(self.faults)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Outcome":
        """Read the JSON object; what is no field of it is left out."""
        known = {item.name for item in fields(cls)}
        read = {name: value for name, value in document.items() if name in known}
        return cls(**read | {"outputs": tuple(Difference(**item) for item in document.get("outputs", ()))})


class Kept:
    """The outcomes in a file, written anew after each."""

    def __init__(self, path: Path) -> None:
        self._path = path
        document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
        self._found = {(item["case"], item["precision"]): Outcome.from_json(item) for item in document}

    def __contains__(self, key: tuple[str, str]) -> bool:
        return key in self._found

    @property
    def outcomes(self) -> list[Outcome]:
        """All that is kept, in the order it came."""
        return list(self._found.values())

    def keep(self, outcome: Outcome) -> None:
        """Take one more, in the place of an earlier one of the same build."""
        self._found[outcome.case, outcome.precision] = outcome
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_name(f"{self._path.name}.part")
        part.write_text(json.dumps([item.to_json() for item in self.outcomes], indent=1) + "\n")
        part.replace(self._path)
