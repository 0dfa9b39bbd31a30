"""
What the images are made of. Pure data; ``inputs`` turns it into a content address, ``build`` into archives.
"""

from __future__ import annotations

from dataclasses import dataclass

PYTHON_VERSION = "3.13"
SUITE = "trixie"
"""The Debian release whose Python is ``PYTHON_VERSION``."""

BASE_PACKAGES = (
    "python3-minimal",
    "python3-venv",
    "ca-certificates",
    "libstdc++6",  # TensorRT and other wheels link it without carrying it
    "netbase",
    "passwd",
    "tzdata",
)

PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
"""Wheel tags the base image can load, newest first."""

PREFIX = "localhost/ignition-hub"
TAG = "dev"


@dataclass(frozen=True, slots=True)
class Image:
    """One image: a target of a Dockerfile, and the files of the checkout it is made from."""

    name: str
    dockerfile: str
    sources: tuple[str, ...]
    target: str | None = None
    pins: str | None = None
    """A pinned requirement set; its wheels are downloaded beforehand, so the build needs no network."""
    programs: tuple[str, ...] = ()
    """Programs out of localcluster's bin folder that the image carries."""
    needs_base: bool = True
    proof: bool = False
    """Built here only to prove that it builds: made when it is named, and never pushed."""

    @property
    def reference(self) -> str:
        """The name under which nodes know the image."""
        return f"{PREFIX}/{self.name}:{TAG}"


IMAGES: tuple[Image, ...] = (
    Image(
        "operator",
        "operator/Dockerfile",
        sources=("operator/ignition_hub",),
        target="operator",
        pins="requirements/operator.txt",
    ),
    Image(
        "fetcher",
        "operator/Dockerfile",
        sources=(
            "operator/ignition_hub/__init__.py",
            "operator/ignition_hub/compatibility",
            "operator/ignition_hub/engine",
            "operator/ignition_hub/wire",
            "operator/ignition_hub/layouts",
            "operator/ignition_hub/fetch",
        ),
        target="fetcher",
    ),
    Image(
        "builder-rtx",
        "builder-image/Dockerfile.rtx",
        sources=(
            "operator/ignition_hub/__init__.py",
            "operator/ignition_hub/device.py",
            "operator/ignition_hub/compatibility",
            "operator/ignition_hub/engine",
            "operator/ignition_hub/wire",
            "builder-image/ignition_builder",
        ),
        pins="requirements/builder-rtx.txt",
    ),
    Image(
        "builder",
        "builder-image/Dockerfile",
        sources=(
            "operator/ignition_hub/__init__.py",
            "operator/ignition_hub/device.py",
            "operator/ignition_hub/compatibility",
            "operator/ignition_hub/engine",
            "operator/ignition_hub/wire",
            "builder-image/ignition_builder",
        ),
        pins="requirements/builder.txt",
        proof=True,
    ),
    Image("s3", "tests/tools/images/s3.Dockerfile", sources=(), programs=("versitygw",), needs_base=False),
)


def images_named(names: list[str]) -> tuple[Image, ...]:
    """The images with these names, all but proofs when none is given; ValueError for an unknown name."""
    known = {image.name: image for image in IMAGES}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(f"no image is called {', '.join(unknown)}; there are {', '.join(known)}")
    if names:
        return tuple(known[name] for name in names)
    return tuple(image for image in IMAGES if not image.proof)
