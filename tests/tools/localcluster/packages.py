"""The Debian packages a cluster with nodes needs, and those that its images are made with."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess

from localcluster.errors import LocalClusterError
from localcluster.node import CNI_PLUGINS

CLUSTER_PACKAGES: tuple[str, ...] = (
    "runc",
    "containernetworking-plugins",
    "iptables",
    "conntrack",
    "iproute2",
    "util-linux",
    "openssl",
)
IMAGE_PACKAGES: tuple[str, ...] = ("buildah", "mmdebstrap")
_PROGRAMS = ("runc", "iptables", "conntrack", "ip", "unshare", "nsenter", "openssl")


def of_nodes() -> tuple[str, ...]:
    """Return what a cluster with nodes and its images need."""
    # Images take their wheels by pip; any Python that has it will do.
    pip = () if importlib.util.find_spec("pip") or shutil.which("pip3") else ("python3-pip",)
    return (*CLUSTER_PACKAGES, *IMAGE_PACKAGES, *pip)


def of_browser() -> tuple[str, ...]:
    """Return what shows pages of the gateway to tests."""
    return ("chromium-headless-shell",)


def install_missing(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """
    Install with apt-get what of ``wanted`` is not installed; return what was missing.

    Raises:
        LocalClusterError: no root, no apt-get, or apt-get failed.
    """
    missing = tuple(name for name in wanted if not _is_installed(name))
    if not missing:
        return ()
    if shutil.which("apt-get") is None:
        raise LocalClusterError(f"no apt-get here; install these by other means: {' '.join(missing)}")
    require_root("installing packages")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _apt(["update", "--quiet"], environment)
    _apt(["install", "--yes", "--quiet", "--no-install-recommends", *missing], environment)
    return missing


def require_root(what: str) -> None:
    """Raise LocalClusterError unless this process is root."""
    if os.geteuid() != 0:
        raise LocalClusterError(f"{what} needs root", remedy="repeat it with sudo")


def require_programs() -> None:
    """
    Check that what a cluster with nodes runs is installed.

    Raises:
        LocalClusterError: names everything that is missing.
    """
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    missing += [] if (CNI_PLUGINS / "bridge").exists() else [f"CNI plugins in {CNI_PLUGINS}"]
    if missing:
        raise LocalClusterError(
            f"not installed: {', '.join(missing)}",
            remedy="install them: PYTHONPATH=tests/tools python3 -m localcluster packages",
        )


def _is_installed(package: str) -> bool:
    asked = ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=60, check=False)
    except FileNotFoundError:
        return False
    return done.stdout == "installed"


def _apt(arguments: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(["apt-get", *arguments], env=environment, stdout=2, timeout=1800, check=False)
    if done.returncode != 0:
        raise LocalClusterError(f"apt-get {arguments[0]} failed with status {done.returncode}")
