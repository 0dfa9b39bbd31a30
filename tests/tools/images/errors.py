"""What can go wrong while images are built, told with what to do about it."""

from __future__ import annotations


class ImagesError(Exception):
    """An image could not be built; ``remedy`` says what to do."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message}\n{remedy}" if remedy else message)
        self.remedy = remedy
