"""
A fake NVIDIA driver: shared libraries with the entry points of libcuda and NVML that ``device`` calls.

Compiled from C, so that the real ctypes calls and their types are what is tested.
"""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

COMPILER = shutil.which("cc")

SOURCE = r"""
#include <stddef.h>
#include <string.h>
int cuInit(unsigned flags) { return flags ? 1 : INIT; }
int cuGetErrorName(int code, const char **name) {
    if (code != 100 && code != 34) return 1;
    *name = code == 100 ? "CUDA_ERROR_NO_DEVICE" : "CUDA_ERROR_STUB_LIBRARY";
    return 0;
}
int cuDeviceGetCount(int *count) { *count = COUNT; return 0; }
int cuDeviceGet(int *device, int ordinal) { *device = 70 + ordinal; return 0; }
int cuDeviceGetName(char *name, int length, int device) {
    strncpy(name, device == 70 ? NAME : "another", length); return 0;
}
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)MEMORY; return 0; }
int cuDriverGetVersion(int *version) { *version = CUDA; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
    switch (attribute) {
        case 16: *value = 132; return 0;
        case 18: *value = 0; return 0;
        case 75: *value = CAPABILITY / 10; return 0;
        case 76: *value = CAPABILITY % 10; return 0;
        case 133: *value = MPS; return MPS < 0 ? 1 : 0;
    }
    return 1;
}
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { strncpy(text, "570.124.06", length); return 0; }
"""


@dataclass(frozen=True)
class FakeDriver:
    """What the fake says; ``mps`` -1 stands for a driver that does not know the question."""

    init: int = 0
    count: int = 1
    name: str = "NVIDIA H200"
    capability: int = 90
    memory: int = 150_000_000_000
    cuda: int = 12080
    mps: int = 0

    def compiled(self, folder: Path) -> str:
        """Compile the library into ``folder`` and return its path."""
        source, library = folder / "fakedriver.c", folder / "libfakedriver.so"
        source.write_text(SOURCE)
        values = {
            "INIT": self.init,
            "COUNT": self.count,
            "NAME": f'"{self.name}"',
            "CAPABILITY": self.capability,
            "MEMORY": f"{self.memory}ull",
            "CUDA": self.cuda,
            "MPS": self.mps,
        }
        defines = [f"-D{name}={value}" for name, value in values.items()]
        command = [str(COMPILER), "-shared", "-fPIC", *defines, "-o", str(library), str(source)]
        subprocess.run(command, check=True, timeout=60)
        return str(library)
