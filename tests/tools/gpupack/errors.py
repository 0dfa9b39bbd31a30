"""What can go wrong while packing, told with what to do about it."""


class PackError(Exception):
    """Something cannot be packed; ``remedy`` says what to do."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message}\n{remedy}" if remedy else message)
