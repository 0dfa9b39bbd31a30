"""
The little of CUDA that running an engine takes: memory, copies, one stream, events.

From the driver itself, through ctypes, so that the builder image needs no CUDA package for Python. Function
names are those of the driver's binary interface (``cuda.h``).
"""

import ctypes
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from ignition_hub.device import LIBCUDA
from ignition_hub.engine.errors import NodeError, Reason


class Cuda:
    """
    The first GPU of this process, with one stream; everything it gave is freed when the block ends.

    Raises NodeError (WrongGPU) with the driver's own words when a call does not succeed.
    """

    def __init__(self) -> None:
        try:
            self._driver = ctypes.CDLL(LIBCUDA)
        except OSError as error:
            raise _failure("loading the driver", str(error)) from error
        self._stack = ExitStack()
        self._device = ctypes.c_int()
        self.stream = ctypes.c_void_p()

    def __enter__(self) -> "Cuda":
        context = ctypes.c_void_p()
        self._call("cuInit", 0)
        self._call("cuDeviceGet", ctypes.byref(self._device), 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), self._device)
        self._stack.callback(self._driver.cuDevicePrimaryCtxRelease_v2, self._device)
        self._call("cuCtxSetCurrent", context)
        self._call("cuStreamCreate", ctypes.byref(self.stream), 0)
        self._stack.callback(self._driver.cuStreamDestroy_v2, self.stream)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def allocate(self, size: int) -> int:
        """Return the address of ``size`` bytes on the GPU."""
        address = ctypes.c_uint64()
        # A tensor may be empty; an allocation may not.
        self._call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(max(size, 1)))
        self._stack.callback(self._driver.cuMemFree_v2, address)
        return int(address.value)

    def upload(self, array: Any, address: int) -> None:
        """Copy a contiguous array to the GPU."""
        source = ctypes.c_void_p(array.ctypes.data)
        self._call("cuMemcpyHtoD_v2", ctypes.c_uint64(address), source, ctypes.c_size_t(array.nbytes))

    def download(self, address: int, array: Any) -> None:
        """Fill a contiguous array from the GPU."""
        target = ctypes.c_void_p(array.ctypes.data)
        self._call("cuMemcpyDtoH_v2", target, ctypes.c_uint64(address), ctypes.c_size_t(array.nbytes))

    def wait(self) -> None:
        """Return when everything on the stream is done."""
        self._call("cuStreamSynchronize", self.stream)

    @contextmanager
    def events(self) -> Iterator["Events"]:
        """Give a pair of events to time what lies between them on the stream."""
        first, second = ctypes.c_void_p(), ctypes.c_void_p()
        with ExitStack() as stack:
            for event in (first, second):
                self._call("cuEventCreate", ctypes.byref(event), 0)
                stack.callback(self._driver.cuEventDestroy_v2, event)
            yield Events(self, first, second)

    def _call(self, name: str, *arguments: Any) -> None:
        status = getattr(self._driver, name)(*arguments)
        if status != 0:
            words = ctypes.c_char_p()
            self._driver.cuGetErrorString(status, ctypes.byref(words))
            raise _failure(name, (words.value or b"error %d" % status).decode(errors="replace"))


class Events:
    """Two marks on a stream and the time between them."""

    def __init__(self, cuda: Cuda, first: ctypes.c_void_p, second: ctypes.c_void_p) -> None:
        self._cuda, self._first, self._second = cuda, first, second

    def begin(self) -> None:
        """Mark the beginning."""
        self._cuda._call("cuEventRecord", self._first, self._cuda.stream)

    def milliseconds(self) -> float:
        """Mark the end, wait for it, and return the time between."""
        elapsed = ctypes.c_float()
        self._cuda._call("cuEventRecord", self._second, self._cuda.stream)
        self._cuda._call("cuEventSynchronize", self._second)
        self._cuda._call("cuEventElapsedTime", ctypes.byref(elapsed), self._first, self._second)
        return float(elapsed.value)


def _failure(call: str, why: str) -> NodeError:
    return NodeError(
        Reason.WrongGPU,
        f"the engine cannot be run on this node's GPU ({call}: {why})",
        "check the node's driver",
    )
