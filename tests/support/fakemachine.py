"""
A machine with a GPU and TensorRT, for whole builder processes on one that has neither.

The driver is ``fakedriver``, TensorRT is ``faketensorrt``; both are found by child processes as the real ones
are: through the loader's path and Python's.
"""

import os
from pathlib import Path

from fakedriver import FakeDriver

TESTS = Path(__file__).resolve().parents[1]
L4 = FakeDriver(name="NVIDIA L4", capability=89)
MODULE = (
    "import sys\n\nfrom faketensorrt import fake_tensorrt\n\nsys.modules[__name__] = fake_tensorrt({!r})\n"
)


def fake_machine(
    folder: Path, release: str, *, driver: FakeDriver = L4, cuda: str = "12.9"
) -> dict[str, str]:
    """Prepare ``folder`` and return the environment of a process that finds GPU and TensorRT there."""
    (folder / "tensorrt.py").write_text(MODULE.format(release))
    # What makes it an installed package, for who asks before it imports anything.
    package = folder / f"tensorrt-{release}.dist-info"
    package.mkdir()
    (package / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tensorrt\nVersion: {release}\n")
    library = Path(driver.compiled(folder))
    for name in ("libcuda.so.1", "libnvidia-ml.so.1"):
        (folder / name).symlink_to(library.name)
    paths = [folder, TESTS / "support", TESTS / "tools", os.environ.get("PYTHONPATH", "")]
    return {
        "PYTHONPATH": os.pathsep.join(str(path) for path in paths if path),
        "LD_LIBRARY_PATH": str(folder),
        "CUDA_VERSION": cuda,
    }
