"""
One release of TensorRT as it is carried: its own Python module, its libraries, and stubs beside them.
"""

import zipfile
from pathlib import Path

from gpupack.errors import PackError
from gpupack.releases import wheel_of
from gpupack.stubs import make_stubs

PLUGINS = "libnvinfer_plugin.so.*"


def put_release(version: str, folder: Path) -> Path:
    """Unpack one release into ``folder``/tensorrt-VERSION, with stubs for what its plugins name."""
    target = folder / f"tensorrt-{version}"
    with zipfile.ZipFile(wheel_of(version)) as wheel:
        wheel.extractall(target)
    plugins = next((target / "tensorrt").glob(PLUGINS), None)
    if plugins is None:
        raise PackError(f"the wheel of TensorRT {version} holds no {PLUGINS}")
    make_stubs(plugins, plugins.parent)
    return target
