"""
What runs beside TensorRT runs on Python 3.10 too: everything but the hub itself.

NVIDIA's images on Ubuntu 22.04 (TensorRT 8.6 to 10.x) and JetPack 6 hold TensorRT's module for that Python
alone, and the module of another release over their libraries crashes (``tensorrt-bindings`` 8.6.1 over the
libraries of 8.6.0). ``HUB`` is the one list of what needs 3.11. ``make check`` looks at the types of all else
as 3.10 has them, and the layer ``unit-3.10`` of ``make test`` runs the tests that need nothing of the list.
"""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
ROOTS = (TESTS / "tools", TESTS / "support")
"""Where tests find what they import by name."""
OLDEST, NEWER = "3.10", (3, 11)

HUB = (
    "ignition_hub.bootstrap",
    "ignition_hub.buckets",
    "ignition_hub.controller",
    "ignition_hub.gateway",
    "ignition_hub.kube",
)
"""Packages of the product that need Python 3.11; they run in the hub's own image."""
HUBS_LIBRARIES = ("aiohttp", "kopf", "kubernetes", "orjson", "prometheus_client", "uvloop")
"""What the hub alone imports; the newest kopf has no release for 3.10."""
DEVELOPMENT = ("bindings.collect", "images", "localcluster", "installation", "tomllib")
"""What development uses: it runs on the Python of ``make setup``."""

NEEDS_NEWER = (*HUB, *HUBS_LIBRARIES, *DEVELOPMENT)


def runs_here(module: str) -> bool:
    """Tell whether ``module`` can be imported on the Python that asks."""
    return sys.version_info >= NEWER or not is_for_newer(module)


def is_for_newer(module: str) -> bool:
    """Tell whether ``module`` is one, or part of one, that needs a newer Python than the oldest."""
    return any(f"{module}.".startswith(f"{newer}.") for newer in NEEDS_NEWER)


def files_for_newer(folder: Path) -> dict[Path, str]:
    """Return the test files in ``folder`` that need a newer Python, each with the module that says so."""
    needs = {file: needs_newer(file) for file in sorted(folder.rglob("test_*.py"))}
    return {file: module for file, module in needs.items() if module}


def needs_newer(file: Path) -> str | None:
    """Return what a test file imports, itself or by way of other files of the tests, that needs 3.11."""
    seen, waiting = {file}, [file]
    while waiting:
        for module in imported(waiting.pop()):
            if is_for_newer(module):
                return module
            for helper in _files_of(module) - seen:
                seen.add(helper)
                waiting.append(helper)
    return None


def imported(file: Path) -> Iterator[str]:
    """Yield every module that ``file`` names in an import, wherever in it."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            # `from package import module` names a module, or what is in one.
            yield from (f"{node.module}.{name.name}" for name in node.names)


def _files_of(module: str) -> set[Path]:
    places = [root.joinpath(*module.split(".")) for root in ROOTS]
    files = [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py")]
    return {file for file in files if file.is_file()}


def oldest_python() -> Path | None:
    """Return a CPython 3.10 of this machine: of the PATH, or installed by pyenv or uv; None without one."""
    named = shutil.which(f"python{OLDEST}")
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or Path.home() / ".local/share/uv/python")
    found = [
        *([Path(named)] if named else []),
        *sorted(pyenv.glob(f"{OLDEST}.*/bin/python{OLDEST}"), reverse=True),
        *sorted(uv.glob(f"cpython-{OLDEST}.*/bin/python{OLDEST}"), reverse=True),
    ]
    return next((python for python in found if _answers(python)), None)


def _answers(python: Path) -> bool:
    # pyenv puts a python3.10 on the PATH that runs only in folders where that version is chosen.
    program = "import sys; print('%d.%d' % sys.version_info[:2], sys.implementation.name)"
    try:
        done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout.split() == [OLDEST, "cpython"]


def check_types() -> int:
    """Run mypy as Python 3.10 on all that has to run there; its exit status."""
    hub = "|".join(package.rpartition(".")[2] for package in HUB)
    packages = [f"--package={name}" for name in ("ignition_hub", "ignition_builder")]
    command = [
        sys.executable,
        "-m",
        "mypy",
        f"--python-version={OLDEST}",
        f"--exclude=/ignition_hub/({hub})/",
    ]
    return subprocess.run([*command, *packages], check=False).returncode


if __name__ == "__main__":
    raise SystemExit(check_types())
