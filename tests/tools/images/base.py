"""
The base image: a small Debian with Python, made from packages, so that no registry is asked.

The mirror is the one the machine's own apt uses. The image is made anew each week, for security updates, and
whenever the package list changes.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from images.buildah import Buildah
from images.errors import ImagesError
from images.recipe import BASE_PACKAGES, PREFIX, PYTHON_VERSION, SUITE
from images.report import ask, run, step

_REPOSITORY = f"{PREFIX}/base"
_DOCKERFILE = 'FROM scratch\nADD root.tar /\nENV LANG=C.UTF-8\nCMD ["python3"]\n'
_LEFT_OUT = ("/usr/share/man/*", "/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/info/*")
_MACHINE_FILES = ("etc/resolv.conf", "etc/hostname", "etc/apt/sources.list", "etc/machine-id")


def base_key(today: datetime | None = None) -> str:
    """Name of this week's base: the suite, and twelve hex digits over its recipe."""
    week = (today or datetime.now(UTC)).strftime("%G-W%V")
    recipe = repr((SUITE, BASE_PACKAGES, _DOCKERFILE, _LEFT_OUT, _MACHINE_FILES, week))
    return f"{SUITE}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"


def ensure_base(buildah: Buildah, key: str) -> str:
    """Return the reference of the base image ``key``, making it when the storage lacks it."""
    reference = f"{_REPOSITORY}:{key}"
    if not buildah.has(reference):
        with step(f"base: Debian {SUITE} with Python {PYTHON_VERSION}"):
            buildah.forget(_REPOSITORY)
            _make_base(buildah, reference)
    return reference


def _make_base(buildah: Buildah, reference: str) -> None:
    with tempfile.TemporaryDirectory(prefix="ignition-base-") as folder:
        context = Path(folder)
        (context / "Dockerfile").write_text(_DOCKERFILE)
        _bootstrap(context / "root.tar", sources_of(apt_sites()))
        buildah.build(reference, context / "Dockerfile", context)


def _bootstrap(archive: Path, sources: list[str]) -> None:
    command = ["mmdebstrap", "--variant=essential", f"--include={','.join(BASE_PACKAGES)}"]
    command += ["--mode=root" if os.geteuid() == 0 else "--mode=unshare"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in _LEFT_OUT]
    command += [f'--customize-hook=rm -f "$1/{name}"' for name in _MACHINE_FILES]
    run(
        [*command, SUITE, archive, *sources],
        what=f"bootstrapping Debian {SUITE}",
        remedy="where Debian's packages are out of reach, name a base: python -m images build --base IMAGE",
    )


def apt_sites() -> list[tuple[str, str]]:
    """Return pairs of mirror and release, as this machine's apt is set up."""
    printed = ask(["apt-get", "indextargets", "--format", "$(SITE) $(RELEASE)", "Created-By: Packages"])
    pairs = [line.split() for line in printed.splitlines()]
    return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2]


def sources_of(sites: list[tuple[str, str]]) -> list[str]:
    """
    Lines of a ``sources.list`` for our suite on the machine's own mirrors.

    Raises:
        ImagesError: the machine's apt has no mirror.
    """
    main = [site for site, release in sites if "security" not in f"{site} {release}"]
    security = [site for site, release in sites if "security" in f"{site} {release}"]
    if not main:
        raise ImagesError(
            "this machine's apt has no Debian mirror to make the base image from",
            remedy="name a base that has Python 3.13 instead: python -m images build --base IMAGE",
        )
    lines = [f"deb {main[0]} {SUITE} main"]
    return lines + ([f"deb {security[0]} {SUITE}-security main"] if security else [])
