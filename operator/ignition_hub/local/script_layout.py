"""
The layout of hand-written scripts: ``<onnx_dir>/<precision>/bs<batch>/<stem>.engine`` and ``.engine.json``.
"""

import os
import shutil
import stat
import tempfile
from pathlib import Path

from ignition_hub.engine.identity import EngineInputs, Profile
from ignition_hub.local.engine import LocalEngine
from ignition_hub.local.errors import CacheUnusable, wrong


def classic_path(model: Path, inputs: EngineInputs) -> Path:
    """
    Return where the classic layout puts an engine.

    bs is the largest batch that was asked for: by batch size, else by shapes that all begin with the same
    dimension; 1 where they do not, or nothing was.
    """
    batch = max((_batch(profile) for profile in inputs.profiles), default=1)
    return model.parent / inputs.precision / f"bs{batch}" / f"{model.stem}.engine"


def _batch(profile: Profile) -> int:
    if profile.batch_size is not None:
        return profile.batch_size.max
    leading = {shape.max[0] for shape in profile.shapes.values() if shape.max}
    return leading.pop() if len(leading) == 1 else 1


def copied(engine: LocalEngine, target: Path) -> Path:
    """Copy an engine to ``target`` and its manifest beside it, each appearing whole; IgnitionError if not."""
    manifest = target.with_name(f"{target.name}.json")
    check_replaceable(target)
    check_replaceable(manifest)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _copy(engine.path, target)
        _copy(engine.manifest_path, manifest)
    except OSError as error:
        raise CacheUnusable(
            f"{target} cannot be written ({error.strerror or error})", "free disk space, or give another file"
        ) from error
    return target


def check_replaceable(target: Path) -> None:
    """Raise RequestError for a folder or device: a rename would take ``/dev/null`` from the machine."""
    if target.exists() and not target.is_file():
        what = "a folder" if target.is_dir() else "not a regular file"
        raise wrong("output", str(target), what, "name a file")


def _copy(source: Path, target: Path) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as out, source.open("rb") as content:
            shutil.copyfileobj(content, out, 1024 * 1024)
            out.flush()
            os.fsync(out.fileno())
        # As the cache's own file: who may read an engine may read the model's weights.
        fresh.chmod(stat.S_IMODE(source.stat().st_mode))
        fresh.replace(target)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
