"""What the gateway answers: a status and a JSON object, which for a failure is ``{"reason", "message"}``."""

import json
from dataclasses import dataclass
from typing import Any

from ignition_hub.engine.quoting import printable, shortened

MESSAGE_CHARACTERS = 2048
"""The longest message that is passed on: the gateway sends none that is longer."""


@dataclass(frozen=True, slots=True)
class GatewayResponse:
    """One HTTP answer, its body read: ``reason`` and ``message`` say something where it is a failure."""

    status: int
    body: dict[str, Any] | None
    """None where it is no JSON object: a proxy's error page, say."""

    @classmethod
    def of(cls, status: int, data: bytes) -> "GatewayResponse":
        """Read an answer; whatever the bytes are, there is one."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError):
            document = None
        return cls(status, document if isinstance(document, dict) else None)

    @property
    def reason(self) -> str:
        """The gateway's reason, CamelCase; empty where it gave none."""
        return self._said("reason")

    @property
    def message(self) -> str:
        """The gateway's sentence for people, or what the status alone says."""
        return self._said("message") or f"the gateway answered {self.status}"

    def _said(self, name: str) -> str:
        """Return a text of the answer that any log takes, and nothing for what is no text."""
        value = (self.body or {}).get(name)
        return printable(shortened(value, MESSAGE_CHARACTERS)) if isinstance(value, str) else ""
