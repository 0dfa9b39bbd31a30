"""
Archives that any machine can unpack: tar and xz, in parts where a transfer takes no more.
"""

import hashlib
from pathlib import Path

from gpupack.running import ask

PRESET = "-T0 -3"
"""xz on every core; blocks of its own size let the other side unpack on every core, too."""
CHUNK = 1 << 20


def put_archive(folder: Path, out: Path, part_bytes: int | None) -> list[Path]:
    """Write ``folder`` as ``out``/NAME.tar.xz, or as parts of it that sort by name; return the files."""
    archive = out / f"{folder.name}.tar.xz"
    ask(
        ["tar", "-c", "-J", "-f", archive, "-C", folder.parent, folder.name],
        seconds=3600,
        environment={"XZ_OPT": PRESET},
    )
    if part_bytes is None or archive.stat().st_size <= part_bytes:
        return [archive]
    return _split(archive, part_bytes)


def _split(archive: Path, part_bytes: int) -> list[Path]:
    parts: list[Path] = []
    with archive.open("rb") as file:
        while data := file.read(part_bytes):
            parts.append(archive.with_name(f"{archive.name}.{len(parts):03d}"))
            parts[-1].write_bytes(data)
    archive.unlink()
    return parts


def sums_of(files: list[Path]) -> str:
    """Return the lines ``sha256sum -c`` takes."""
    return "".join(f"{_digest(file)}  {file.name}\n" for file in sorted(files))


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
