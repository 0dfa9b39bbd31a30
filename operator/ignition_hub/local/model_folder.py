"""
Bring a model whose files are links to where the builder reads it: one folder, every file by its own name.

onnx refuses external data that is a symbolic link (onnx 1.23.2), onnxruntime such a link out of the model's
folder (1.31.1), so the links are followed here. No byte is copied where the file system can give a file a
second name.
"""

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from ignition_hub.local.errors import CacheUnusable
from ignition_hub.local.fingerprint import ModelFile

FICLONE = 0x40049409
"""Share the content of a file until either is written (linux/fs.h; Btrfs, XFS and others)."""


def gathered(model: ModelFile, folder: Path) -> Path:
    """
    Return a path of ``model`` with all its data beside it and no link on the way; new files below ``folder``.

    Raises CacheUnusable when the folder cannot take them.
    """
    for path in (model.path.absolute(), model.path.resolve()):
        if _lies_whole(model, path):
            return path
    place = folder / "model" / model.path.name
    try:
        _put(model.path.resolve(), place)
        for part in model.data:
            _put(part.path, place.parent / part.name)
    except OSError as error:
        raise CacheUnusable(f"{folder.parent} cannot be written ({error.strerror or error})") from error
    return place


def _lies_whole(model: ModelFile, path: Path) -> bool:
    home = path.parent.resolve()
    return path.resolve() == home / path.name and all(part.path == home / part.name for part in model.data)


def _put(source: Path, target: Path) -> None:
    """Let ``target`` be the file ``source``, by the cheapest way the file system knows."""
    target.parent.mkdir(parents=True, exist_ok=True)
    ways: tuple[Callable[[Path, Path], object], ...] = (_cloned, os.link)
    for way in ways:
        try:
            way(source, target)
        except OSError:
            # Another file system, one without this way, or a file that this user may not link to.
            target.unlink(missing_ok=True)
        else:
            return
    shutil.copyfile(source, target)


def _cloned(source: Path, target: Path) -> None:
    with source.open("rb") as content, target.open("wb") as fresh:
        fcntl.ioctl(fresh.fileno(), FICLONE, content.fileno())
