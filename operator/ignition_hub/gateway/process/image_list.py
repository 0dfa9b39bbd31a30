"""
Which engines the registry has as images: a file that one process of a gateway's pod writes for the other.

The process that serves pods pushes, and has the credentials; admission reads this file at each pod, and asks
nobody. Both run from one image, so both have one form. It is written whole or not at all.
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

log = logging.getLogger(__name__)

Images = Mapping[str, Mapping[str, Mapping[str, str]]]
"""Reference by namespace, TensorRTEngine and SHA-256 of the engine."""
NO_REGISTRY = "the EngineStore names no registry"


@dataclass(frozen=True, slots=True)
class ImageList:
    """
    The images of all namespaces.

    ``trouble`` says why there are none for pods; empty where there may be.
    """

    trouble: str = NO_REGISTRY
    images: Images = field(default_factory=dict)

    def of(self, namespace: str) -> Mapping[str, Mapping[str, str]]:
        """Return the images of a namespace, by TensorRTEngine and SHA-256."""
        return self.images.get(namespace, {})


class ImageFile:
    """The file; without a ``path`` there are no images."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._read: tuple[tuple[int, int], ImageList] = ((0, 0), ImageList())
        """What was read last, and by which the file is told from the one that replaces it."""

    def write(self, found: ImageList) -> None:
        """Replace what the other process reads, where it is something else."""
        if self._path is None or found == self.read():
            return
        beside = self._path.with_name(f".{self._path.name}.new")
        beside.write_text(json.dumps({"trouble": found.trouble, "images": found.images}))
        beside.replace(self._path)

    def read(self) -> ImageList:
        """Return what was written last; no images where nothing was, or it cannot be read."""
        if self._path is None:
            return ImageList()
        try:
            found = self._path.stat()
            written = found.st_ino, found.st_mtime_ns
            if written != self._read[0]:
                self._read = written, ImageList(**json.loads(self._path.read_text()))
        except FileNotFoundError:
            return ImageList()
        except (OSError, ValueError, TypeError) as error:
            log.warning("the list of images cannot be read: %s", error)
            return ImageList(trouble="the list of images cannot be read")
        return self._read[1]
