"""The pod's token, in the file the kubelet keeps."""

from pathlib import Path

from ignition_hub.wire.outcomes import explained


def read_token(path: Path) -> str:
    """
    Return the token as it is now: the kubelet replaces it, so it is read for every call.

    ValueError says why the file cannot be read.
    """
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        raise ValueError(explained(error)) from error
