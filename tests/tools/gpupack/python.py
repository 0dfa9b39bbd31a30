"""
A Python with the packages that the GPU tests and ``ignition build`` need, movable to another machine.

It is a copy of this machine's CPython 3.10, for that is what TensorRT's oldest modules are made for, with
the C libraries its own modules need. What only compiles ahead of time, or only tests, stays behind.
"""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import setup
from besidetensorrt import OLDEST, oldest_python
from gpupack.errors import PackError
from gpupack.running import ask

ROOT = Path(__file__).resolve().parents[3]
LEFT_OUT = (
    "__pycache__",
    "test",
    "tests",
    "idlelib",
    "tkinter",
    "ensurepip",
    "lib2to3",
    "turtledemo",
    "config-*",
)
NOT_THERE = ("tensorrt_rtx*", "pip*", "setuptools*", "*.pth", "__editable__*", "ignition_hub*", "hatchling*")
SERVICES = frozenset({"s3", "sts"})
"""What of boto3's descriptions of services the command line uses; the others are 20 MB."""
CARRIED = re.compile(r"lib(ssl|crypto|ffi|bz2|lzma|z|sqlite3|uuid)\.so")
_LINKED = re.compile(r"^\s*(\S+) => (/\S+)", re.MULTILINE)


def put_python(folder: Path) -> Path:
    """Copy the interpreter, its library and its packages to ``folder``/python."""
    interpreter = oldest_python()
    if interpreter is None:
        raise PackError(
            f"this machine has no CPython {OLDEST}",
            remedy=f"put python{OLDEST} on the PATH, or use pyenv or uv",
        )
    venv = ROOT / f".venv-{OLDEST}"
    setup.make_oldest(venv, interpreter, Path(sys.executable).with_name("uv"))
    target, home = folder / "python", Path(_prefix(interpreter))
    library = target / "lib" / f"python{OLDEST}"
    shutil.copytree(home / "lib" / library.name, library, ignore=_ignored("site-packages"))
    packages = library / "site-packages"
    shutil.copytree(venv / "lib" / library.name / "site-packages", packages, ignore=_ignored(*NOT_THERE))
    _trim_services(packages / "botocore" / "data")
    _copy_programs(interpreter.resolve(), library, target)
    return target


def _prefix(interpreter: Path) -> str:
    return ask([interpreter, "-c", "import sys; print(sys.base_prefix)"]).strip()


def _ignored(*more: str) -> Callable[[Any, list[str]], set[str]]:
    return shutil.ignore_patterns(*LEFT_OUT, *more)


def _trim_services(data: Path) -> None:
    for service in data.iterdir():
        if service.is_dir() and service.name not in SERVICES:
            shutil.rmtree(service)


def _copy_programs(interpreter: Path, library: Path, target: Path) -> None:
    (target / "bin").mkdir()
    shutil.copy2(interpreter, target / "bin" / f"python{OLDEST}")
    modules = sorted((library / "lib-dynload").glob("*.so"))
    linked = dict(_LINKED.findall(ask(["ldd", interpreter, *modules])))
    for name, path in linked.items():
        if CARRIED.match(name) or name.startswith("libpython"):
            shutil.copy2(path, target / "lib" / name)
