"""
Stub libraries: empty functions under the names that the bindings' extension module is linked against.

The extension binds NVIDIA's libraries only by C function, and calls none of them while it is imported.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from bindings.errors import BindingsError

_NEEDED = re.compile(r"\(NEEDED\).*\[(lib(?:nv|tensorrt)[^]]*)\]")
_UNDEFINED = re.compile(r"^\s+U (\w+)$", re.MULTILINE)
_PYTHON = re.compile(r"_?Py")


def make_stubs(extension: Path, folder: Path) -> list[Path]:
    """
    Compile one library for each that ``extension`` needs of NVIDIA's; return their paths.

    Raises:
        BindingsError: the C compiler or its binary tools are missing or fail.
    """
    names = [name for name in _UNDEFINED.findall(_ask("nm", "-D", extension)) if not _PYTHON.match(name)]
    source = folder / "stubs.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in names), encoding="utf-8")
    # Without NVIDIA's libraries nothing else defines these names, so that each stub may hold them all.
    return [_compile(source, folder / name) for name in _NEEDED.findall(_ask("readelf", "-d", extension))]


def _compile(source: Path, library: Path) -> Path:
    flags = ("-w", "-fno-builtin", "-shared", "-nostdlib", f"-Wl,-soname,{library.name}")
    _ask("cc", *flags, "-o", library, source)
    return library


def _ask(*command: str | Path) -> str:
    try:
        done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, timeout=60)
    except FileNotFoundError as error:
        raise BindingsError(
            f"{command[0]} is not installed", remedy="install a C compiler, for example: apt-get install gcc"
        ) from error
    if done.returncode != 0:
        raise BindingsError(f"{command[0]} failed ({done.returncode}): {done.stderr.strip()}")
    return done.stdout
