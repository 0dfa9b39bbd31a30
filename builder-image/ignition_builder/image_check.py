"""
Tell which TensorRT this image holds, and refuse when it is said to be another.

``python -m ignition_builder.image_check TensorRT 10.14.1``: asked while an image is built, long before a
build fails for it. It needs no GPU.
"""

import sys

from ignition_builder.compiling.backend import load_backend
from ignition_hub.compatibility.support_matrix import parse_version
from ignition_hub.engine.errors import IgnitionError, NodeError, Reason
from ignition_hub.engine.identity import FLAVORS


def main(arguments: list[str]) -> int:
    """Print one line; the exit code is the builder's own for WrongTensorRT when the claim is wrong."""
    if len(arguments) not in (1, 2) or arguments[0] not in FLAVORS:
        sys.stderr.write(f"usage: holds {'|'.join(FLAVORS)} [VERSION]\n")
        return 2
    flavor, claimed = arguments[0], arguments[1] if len(arguments) == 2 else ""
    try:
        version = held_version(flavor)
        check_claim(flavor, claimed, version)
    except IgnitionError as error:
        sys.stderr.write(f"{error.reason}: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{flavor} {version}\n")
    return 0


def held_version(flavor: str) -> str:
    """Return the version of ``flavor`` in this image; NodeError (WrongTensorRT) when it has none."""
    try:
        return load_backend(flavor).version
    except ImportError as error:
        raise _wrong(f"this image contains no {flavor} ({error})") from error


def check_claim(flavor: str, claimed: str, version: str) -> None:
    """Raise NodeError (WrongTensorRT) unless ``claimed``, numbers with dots, begins ``version``."""
    wanted = parse_version(claimed)
    if claimed and (not wanted or parse_version(version)[: len(wanted)] != wanted):
        raise _wrong(f"this image is labeled {flavor} {claimed} but contains {version}")


def _wrong(message: str) -> NodeError:
    return NodeError(
        Reason.WrongTensorRT, message, "give the base image's own version, or another base image"
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
