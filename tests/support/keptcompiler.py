"""What tests ask of the compile process that the builder keeps."""

from ignition_builder import kept


def kept_answers() -> int:
    """Return how many builds the process that is kept has done; 0 when there is none."""
    child = kept._shelf._child
    return child.answers if child is not None else 0
