"""
Fake plans: the header that ``ignition_hub.engine.plan_header`` reads, then the content as JSON.

The layout is measured (TensorRT 8.6.0 to 10.15.1, RTX 1.6.1 and 1.7.1) or read (8.5.3.1); what follows the
header is made up.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

from bindings.releases import TENSORRT_RTX

_FIXED = struct.Struct("<4sIQQ4B4s")
_OLD = struct.Struct("<4sIIIQ")
_NUMBER = struct.Struct("<IB")
_OLD_FORMAT, _IS_NUMBER = 232, 0x00018002
_RTX_HEADER_SIZE = 64
_BITS = {"SM75": 0x01, "SM80": 0x02, "SM86": 0x04, "SM89": 0x08, "SM120": 0x10, "SM121": 0x20}
_UNPUBLISHED_BUILDS = {
    "8.6.0": 12, "8.6.1": 6, "10.0.1": 6, "10.1.0": 27, "10.2.0": 19, "10.3.0": 26, "10.4.0": 26,
    "10.5.0": 18, "10.6.0": 26, "10.7.0": 23,
}  # fmt: skip
"""The fourth number, where bindings do not tell it (libraries' own numbers)."""


def four_numbers(version: str) -> tuple[int, int, int, int]:
    """``10.0.1`` is ``10.0.1.6`` in a plan: the older bindings leave out the fourth number."""
    numbers = [int(part) for part in version.split(".") if part.isdecimal()]
    if len(numbers) == 3:
        numbers.append(_UNPUBLISHED_BUILDS[version])
    first, second, third, fourth = numbers
    return first, second, third, fourth


def plan_bytes(
    flavor: str, version: str, content: Mapping[str, Any], capabilities: tuple[str, ...] = ()
) -> bytes:
    """Return a plan that holds ``content``; one of RTX is for ``capabilities`` such as ``SM89``."""
    body = json.dumps(content, sort_keys=True).encode()
    if flavor == TENSORRT_RTX:
        mask = sum(_BITS[name] for name in capabilities)
        body = struct.pack("<I", mask).ljust(_RTX_HEADER_SIZE - _FIXED.size, b"\0") + body
    if flavor != TENSORRT_RTX and four_numbers(version) < (8, 6):
        body = b"".join(_NUMBER.pack(_IS_NUMBER, part) for part in four_numbers(version)) + body
        return _OLD.pack(b"ptrt", 0, _OLD_FORMAT, 0, len(body)) + body
    magic, tag = (b"vtrt", b"vtrt") if flavor == TENSORRT_RTX else (b"ftrt", b"rtrt")
    entries = 2 if flavor == TENSORRT_RTX else 1
    return _FIXED.pack(magic, 0, entries, _FIXED.size + len(body), *four_numbers(version), tag) + body


def content_of(plan: bytes) -> Mapping[str, Any]:
    """What a fake plan was made from."""
    content: Mapping[str, Any] = json.loads(plan[plan.index(b'{"') :])
    return content
