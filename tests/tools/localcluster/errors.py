"""What goes wrong while building or running a local cluster, said so that the reader can act on it."""

from __future__ import annotations


class LocalClusterError(Exception):
    """A local cluster could not be built, started, asked or stopped; the message is meant for a person."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(f"{message}\n  {remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy
