"""The releases whose bindings are kept, and the packages that carry them. Pure data."""

from __future__ import annotations

from dataclasses import dataclass

TENSORRT = "TensorRT"
TENSORRT_RTX = "TensorRTRTX"


@dataclass(frozen=True, slots=True, order=True)
class Release:
    """One release of one flavor, by the version its bindings' package has."""

    flavor: str
    numbers: tuple[int, ...]

    @property
    def version(self) -> str:
        """Such as ``10.12.0.36``; the oldest packages leave out the fourth number."""
        return ".".join(map(str, self.numbers))

    @property
    def package(self) -> str:
        """The name of the package of bindings."""
        if self.flavor == TENSORRT_RTX:
            return "tensorrt-rtx-cu13-bindings"
        if self.is_whole:
            return "tensorrt"
        return "tensorrt-bindings" if self.numbers[0] == 8 else "tensorrt-cu12-bindings"

    @property
    def is_whole(self) -> bool:
        """Whether the package is not of bindings alone and holds NVIDIA's libraries too."""
        return self.flavor == TENSORRT and self.numbers < (8, 6, 1)

    @property
    def newest_python(self) -> tuple[int, int] | None:
        """The newest Python that there are wheels for; None when it is newer than any of ours."""
        if self.is_whole:
            return (3, 10)
        return (3, 11) if self.flavor == TENSORRT and self.numbers[0] == 8 else None

    @property
    def package_version(self) -> str:
        """The version of that package: one release was published again, corrected."""
        return _PUBLISHED_AGAIN.get(self.version, self.version)

    @property
    def module(self) -> str:
        """The folder of the wheel that holds the module."""
        if self.is_whole:
            return "tensorrt"
        return "tensorrt_rtx_bindings" if self.flavor == TENSORRT_RTX else "tensorrt_bindings"

    @property
    def file_name(self) -> str:
        """The name of its inventory."""
        return f"{self.flavor.lower()}-{self.version}.json"


_PUBLISHED_AGAIN = {"10.14.1.48": "10.14.1.48.post1"}

_TENSORRT = (
    "8.5.1.7", "8.5.2.2", "8.5.3.1", "8.6.0", "8.6.1", "10.0.1", "10.1.0", "10.2.0", "10.3.0", "10.4.0",
    "10.5.0", "10.6.0", "10.7.0", "10.8.0.43", "10.9.0.34", "10.10.0.31", "10.11.0.33", "10.12.0.36",
    "10.13.3.9", "10.14.1.48", "10.15.1.29", "10.16.1.11", "11.0.0.114", "11.1.0.106", "11.2.1.2",
    "11.3.0.99", "11.4.0.106",
)  # fmt: skip
_TENSORRT_RTX = ("1.4.0.76", "1.5.0.114", "1.6.1.120", "1.7.1.116")


def release_of(flavor: str, version: str) -> Release:
    """The release with this flavor and version; ValueError when ``version`` is not dotted numbers."""
    return Release(flavor, tuple(int(part) for part in version.split(".")))


RELEASES: tuple[Release, ...] = (
    *(release_of(TENSORRT, version) for version in _TENSORRT),
    *(release_of(TENSORRT_RTX, version) for version in _TENSORRT_RTX),
)


def releases_named(versions: list[str]) -> tuple[Release, ...]:
    """The kept releases with these versions, all when none is given; ValueError for one that is not kept."""
    known = {release.version: release for release in RELEASES}
    unknown = [version for version in versions if version not in known]
    if unknown:
        raise ValueError(f"no inventory is kept of {', '.join(unknown)}; add it to releases.py")
    return tuple(known[version] for version in versions) if versions else RELEASES
