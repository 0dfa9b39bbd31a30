"""What can go wrong while bindings are read, told with what to do about it."""

from __future__ import annotations


class BindingsError(Exception):
    """Bindings could not be read; ``remedy`` says what to do."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message}\n{remedy}" if remedy else message)
        self.remedy = remedy
