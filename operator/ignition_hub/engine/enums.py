"""
Enumerations whose members are their words: to compare, print, format and write as JSON.

The standard library has one since Python 3.11 only, and what runs beside TensorRT runs on 3.10 too: NVIDIA's
images on Ubuntu 22.04 and JetPack 6 hold TensorRT's module for that Python alone.
"""

from enum import Enum


class StrEnum(str, Enum):
    """As ``enum.StrEnum`` of Python 3.11: ``str()`` and ``format()`` give the value on every Python."""

    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, spec: str) -> str:
        return str.__format__(self, spec)
