"""
Make the virtual environment that every other task uses.

Runs on the system's own Python, before anything is installed. The packages are the pinned,
hash-checked set in ``requirements/dev.txt``; the project itself is installed editable. A second environment
has the oldest Python that runs beside TensorRT, and what the tests of that need: ``make_oldest``.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PINNED = ROOT / "requirements" / "dev.txt"
PINNED_OLDEST = ROOT / "requirements" / "test-3.10.txt"
MINIMUM = (3, 11)


def main(venv: Path) -> None:
    """Create ``venv`` with the pinned packages; a second call brings it up to date."""
    if sys.version_info < MINIMUM:
        sys.exit(f"Python {MINIMUM[0]}.{MINIMUM[1]} or newer is needed; this is {sys.version.split()[0]}")
    install_venv_support()
    if not (venv / "bin" / "uv").exists():
        say(f"creating {venv}")
        run(sys.executable, "-m", "venv", str(venv))
    install(venv)


def install_venv_support() -> None:
    """Debian splits ``ensurepip`` out of Python; fetch it when we may."""
    if importlib.util.find_spec("ensurepip") is not None:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        sys.exit("python3-venv is missing; install it, for example: apt-get install python3-venv")
    say("installing python3-venv")
    run("apt-get", "update", "-q", quiet=True)
    run("apt-get", "install", "-q", "-y", "--no-install-recommends", "python3-venv", quiet=True)


def install(venv: Path) -> None:
    """Install the pinned set, then the project itself without looking anything up."""
    python = str(venv / "bin" / "python")
    uv = str(venv / "bin" / "uv")
    say("installing the pinned packages")
    if not Path(uv).exists():
        run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", pinned("uv"))
    fill(uv, python, PINNED)


def make_oldest(venv: Path, interpreter: Path, uv: Path) -> None:
    """Make ``venv`` of an older Python's ``interpreter``, or bring it up to date; ``uv`` is development's."""
    python = str(venv / "bin" / "python")
    if not Path(python).exists():
        say(f"creating {venv}")
        run(str(uv), "venv", "--quiet", "--clear", "--python", str(interpreter), str(venv))
    fill(str(uv), python, PINNED_OLDEST)


def fill(uv: str, python: str, pins: Path) -> None:
    """Have exactly the packages of ``pins`` beside ``python``, and the project itself."""
    run(uv, "pip", "sync", "--quiet", "--python", python, "--require-hashes", str(pins))
    run(
        uv, "pip", "install", "--quiet", "--python", python,
        "--no-deps", "--no-build-isolation", "--editable", str(ROOT),
    )  # fmt: skip


def pinned(package: str) -> str:
    """Return ``package==version`` as the pinned set has it."""
    lines = PINNED.read_text(encoding="utf-8").splitlines()
    return next(line.split(" ")[0] for line in lines if line.startswith(f"{package}=="))


def run(*command: str, quiet: bool = False) -> None:
    """Run ``command`` or stop with its exit status."""
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL if quiet else None)
    if done.returncode != 0:
        sys.exit(f"failed ({done.returncode}): {' '.join(command)}")


def say(message: str) -> None:
    """Tell the person at the terminal what takes the time."""
    print(f"setup: {message}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
