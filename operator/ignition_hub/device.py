"""
The GPU of this machine as its driver describes it, through ctypes: no toolkit, no nvidia-smi, no library.

The builder compares it with the GPU it was asked to build for, the runtime with the GPU an engine was built
for. Whoever wants to create a TensorRT runtime asks here first: without a driver TensorRT 11.4 returns an
object whose next call crashes the process (measured on its lean runtime).

Attribute numbers are those of ``cuda.h``, whose enumeration is part of the driver's binary interface.
"""

import ctypes
import re
from dataclasses import dataclass

from ignition_hub.compatibility.spelling import product_of
from ignition_hub.engine.errors import NodeError, Reason

LIBCUDA = "libcuda.so.1"
LIBNVML = "libnvidia-ml.so.1"

_MULTIPROCESSORS = 16
_INTEGRATED = 18
_MAJOR = 75
_MINOR = 76
_MPS = 133

_NAME_BYTES = 256
_VERSION_BYTES = 96
_MIG = re.compile(r"\bMIG (\S+)$")

_REMEDIES = {
    34: "the libcuda that was found is the toolkit's stub; let the container runtime mount the driver's",
    100: "give the process a GPU: nvidia.com/gpu in the pod's limits, and no empty CUDA_VISIBLE_DEVICES",
    802: "the GPUs are still starting; on NVSwitch machines the fabric manager must run",
    803: "libcuda and the kernel's driver are of different versions; reboot, or repair the installation",
    804: "remove the CUDA compatibility package from the image; this GPU does not support it",
}
"""What may help, by the CUresult with which ``cuInit`` refuses."""


class NoGPU(NodeError):
    """No GPU can be used on this machine; the message says what is missing."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(Reason.NoGPU, message, remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """
    One GPU, or one MIG slice, as CUDA shows it to this process.

    ``name`` is the driver's (``NVIDIA H200``); ``capability`` the compute capability; ``memory_bytes`` and
    ``multiprocessors`` are the slice's own under MIG. ``cuda`` is the newest CUDA that the driver runs,
    ``driver`` its version, None where NVML is missing, as on older Jetsons. ``mps`` tells whether contexts
    share the GPU through MPS, None where the driver is too old to say; time slicing is not seen from here.
    """

    name: str
    capability: tuple[int, int]
    memory_bytes: int
    multiprocessors: int
    cuda: tuple[int, int]
    driver: str | None = None
    integrated: bool = False
    mps: bool | None = None

    @property
    def arch(self) -> str:
        """The architecture as a target names it, ``sm_90``."""
        major, minor = self.capability
        return f"sm_{major}{minor}"

    @property
    def compute_capability(self) -> str:
        """The compute capability as people write it, ``9.0``."""
        major, minor = self.capability
        return f"{major}.{minor}"

    @property
    def mig(self) -> str | None:
        """The MIG profile (``1g.5gb``), which CUDA puts behind the name; None for a whole GPU."""
        found = _MIG.search(self.name)
        return found[1] if found else None

    @property
    def product(self) -> str:
        """The product as GPU Feature Discovery spells it into a label, a slice's profile included."""
        return product_of(self.name)


def probe(ordinal: int = 0, *, libcuda: str = LIBCUDA, libnvml: str = LIBNVML) -> DeviceFacts | None:
    """Return the GPU with this CUDA ordinal; None when there is no driver or no such GPU."""
    try:
        return device(ordinal, libcuda=libcuda, libnvml=libnvml)
    except NoGPU:
        return None


def device(ordinal: int = 0, *, libcuda: str = LIBCUDA, libnvml: str = LIBNVML) -> DeviceFacts:
    """
    Return the GPU with this CUDA ordinal; raise NoGPU, saying what is missing.

    It initialises CUDA in this process, which a ``fork`` does not survive: start children with ``spawn``.
    """
    cuda = _Cuda(libcuda)
    handle = cuda.handle(ordinal)
    return DeviceFacts(
        name=cuda.name(handle),
        capability=(cuda.attribute(_MAJOR, handle), cuda.attribute(_MINOR, handle)),
        memory_bytes=cuda.memory(handle),
        multiprocessors=cuda.attribute(_MULTIPROCESSORS, handle),
        cuda=cuda.newest_cuda(),
        driver=_driver_version(libnvml),
        integrated=bool(cuda.attribute(_INTEGRATED, handle)),
        mps=cuda.shares_through_mps(handle),
    )


class _Cuda:
    """The few calls of the CUDA driver that describe a device; each failure is a NoGPU."""

    def __init__(self, library: str) -> None:
        try:
            self._library = ctypes.CDLL(library)
        except OSError as error:
            raise NoGPU(
                f"this machine has no NVIDIA driver ({error})",
                "install the driver; in a container, use the NVIDIA container runtime",
            ) from error
        self._call("cuInit", ctypes.c_uint(0))

    def handle(self, ordinal: int) -> ctypes.c_int:
        """Return the device with an ordinal."""
        count = ctypes.c_int()
        self._call("cuDeviceGetCount", ctypes.byref(count))
        if not 0 <= ordinal < count.value:
            raise NoGPU(
                f"GPU {ordinal} was requested, but CUDA shows {count.value}",
                "ordinals count from 0 over CUDA_VISIBLE_DEVICES" if count.value else _REMEDIES[100],
            )
        handle = ctypes.c_int()
        self._call("cuDeviceGet", ctypes.byref(handle), ctypes.c_int(ordinal))
        return handle

    def name(self, handle: ctypes.c_int) -> str:
        """Return the name of a device."""
        text = ctypes.create_string_buffer(_NAME_BYTES)
        self._call("cuDeviceGetName", text, ctypes.c_int(_NAME_BYTES), handle)
        return text.value.decode(errors="replace")

    def memory(self, handle: ctypes.c_int) -> int:
        """Return the memory of a device in bytes."""
        size = ctypes.c_size_t()
        self._call("cuDeviceTotalMem_v2", ctypes.byref(size), handle)
        return size.value

    def attribute(self, number: int, handle: ctypes.c_int) -> int:
        """Return one attribute of a device."""
        value = ctypes.c_int()
        self._call("cuDeviceGetAttribute", ctypes.byref(value), ctypes.c_int(number), handle)
        return value.value

    def newest_cuda(self) -> tuple[int, int]:
        """Return the newest CUDA that the driver runs: it says 12080 for 12.8."""
        number = ctypes.c_int()
        self._call("cuDriverGetVersion", ctypes.byref(number))
        return number.value // 1000, number.value % 1000 // 10

    def shares_through_mps(self, handle: ctypes.c_int) -> bool | None:
        """Tell whether contexts share a device through MPS; None for a driver older than the question."""
        try:
            return bool(self.attribute(_MPS, handle))
        except NoGPU:
            return None

    def _call(self, function: str, *arguments: object) -> None:
        result = getattr(self._library, function)(*arguments)
        if result != 0:
            remedy = _REMEDIES.get(result, "check the kernel's log (dmesg) and nvidia-smi")
            raise NoGPU(f"{function} of the NVIDIA driver failed with {self._named(result)}", remedy)

    def _named(self, result: int) -> str:
        text = ctypes.c_char_p()
        known = self._library.cuGetErrorName(ctypes.c_int(result), ctypes.byref(text)) == 0
        return f"{text.value.decode()} ({result})" if known and text.value else f"error {result}"


def _driver_version(library: str) -> str | None:
    """Return the driver's version, ``570.124.06``, as NVML tells it."""
    try:
        nvml = ctypes.CDLL(library)
    except OSError:
        return None
    if nvml.nvmlInit_v2() != 0:
        return None
    text = ctypes.create_string_buffer(_VERSION_BYTES)
    try:
        told = nvml.nvmlSystemGetDriverVersion(text, ctypes.c_uint(_VERSION_BYTES)) == 0
    finally:
        nvml.nvmlShutdown()
    return text.value.decode() if told else None
