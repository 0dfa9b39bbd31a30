"""
Whose file a model's external data is: caches keep models as links, and a stranger's link may lead anywhere.

What a model names ends in an engine that others may get, so a name must not reach what the model's folder
does not hold, nor what is hidden in it: beside a model in a home folder lie keys. The file the user named may
itself be a link; a hard link is a file like every other.
"""

import errno
from collections.abc import Iterator
from pathlib import Path

from ignition_hub.engine.errors import Reason, RequestError

STORES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("blobs", "snapshots"), "blobs"),
    ((".dvc",), ".dvc/cache"),
    ((".git",), ".git/annex/objects"),
)
"""
What a folder holds that keeps models as links, and where their files lie in it: Hugging Face (huggingface_hub
1.0 and older, documentation), DVC (``cache.type symlink``) and git-annex.
"""


def data_file(model: Path, name: str) -> Path:
    """
    Return the real file behind the external data ``name`` of ``model``, through whatever links are its own.

    It is looked for beside ``model``, and where that is a link, then beside what it leads to. Raises
    RequestError for a name or a link that leads elsewhere; OSError or ValueError when there is no such
    regular file.
    """
    if not name or Path(name).is_absolute() or _is_hidden(Path(name)):
        raise RequestError(
            Reason.InvalidModel,
            f"{model}: its external data {name[:200]!r} cannot be read: it is not a file beside the model, "
            "or it is hidden",
            "save the model again with onnx.save, with its weights inside or beside it",
        )
    folders = (model.absolute().parent, model.resolve().parent)
    # Tried in the order of onnxruntime, which looks beside the path it is given.
    path = next((folder / name for folder in folders if (folder / name).exists()), folders[0] / name)
    real = path.resolve(strict=True)
    if not real.is_file():
        raise OSError(errno.EINVAL, "not a regular file")
    if not any(_holds(folder, real) for folder in _homes(model)):
        raise RequestError(
            Reason.InvalidModel,
            f"{path} is a link to a file outside the model's folder, {real}",
            "if that file belongs to the model, copy the folder with cp -rL and use the copy",
        )
    return real


def _holds(folder: Path, real: Path) -> bool:
    return real.is_relative_to(folder) and not _is_hidden(real.relative_to(folder))


def _is_hidden(path: Path) -> bool:
    """Tell whether a relative path names something hidden, or leads upwards."""
    return any(part.startswith(".") for part in path.parts)


def _homes(model: Path) -> Iterator[Path]:
    """Yield the folders whose files are the model's own; nothing in them is a link any more."""
    for folder in (model.absolute().parent.resolve(), model.resolve().parent):
        yield folder
        for marks, store in STORES:
            # Resolved before the store's name is added: a store that is itself a link leads elsewhere.
            roots = (root for root in (folder, *folder.parents) if all((root / m).is_dir() for m in marks))
            if root := next(roots, None):
                yield root / store
