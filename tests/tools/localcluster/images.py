"""
Container images without a registry: write the pause image, and put image files into nodes.

An image file is what ``buildah push … docker-archive:FILE:NAME`` or ``docker save`` writes.
"""

from __future__ import annotations

import hashlib
import io
import json
import platform
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster.errors import LocalClusterError
from localcluster.namespaces import enter
from localcluster.node import CONTAINERD_SOCKET
from localcluster.paths import binary
from localcluster.processes import Process

_IMPORT_SECONDS = 600
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True, slots=True)
class ImageFile:
    """What an image file holds: its names, and the digest that tells its content."""

    path: Path
    names: tuple[str, ...]
    digest: str


def read_image_file(path: Path) -> ImageFile:
    """
    Read the index of an image file.

    Raises:
        LocalClusterError: the file is missing or holds no named image.
    """
    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile("manifest.json")
            entries = json.load(member) if member else []
    except (OSError, tarfile.TarError, KeyError, ValueError) as broken:
        raise LocalClusterError(
            f"{path} is no image file: {broken}",
            remedy="write one with: buildah push IMAGE docker-archive:FILE:NAME",
        ) from broken
    names = tuple(name for entry in entries for name in entry.get("RepoTags") or ())
    if not names:
        raise LocalClusterError(f"the image in {path} has no name", remedy="save it as NAME:TAG")
    configs = ",".join(str(entry["Config"]) for entry in entries)
    return ImageFile(path, names, hashlib.sha256(configs.encode()).hexdigest())


def write_static_image(path: Path, name: str, files: Mapping[str, Path], command: list[str]) -> None:
    """
    Write an image of one layer holding executables, with Python alone.

    Args:
        path: the image file.
        name: with a tag.
        files: path in the image to file on this machine.
        command: its entry point.
    """
    layer = _tar({name: source.read_bytes() for name, source in files.items()}, mode=0o755)
    layer_digest = hashlib.sha256(layer).hexdigest()
    config = json.dumps(
        {
            "architecture": _ARCHITECTURES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": command, "User": "65532:65532"},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [f"{layer_digest}.tar"]}]
    parts = {
        config_name: config,
        f"{layer_digest}.tar": layer,
        "manifest.json": json.dumps(manifest).encode(),
    }
    path.write_bytes(_tar(parts, mode=0o644))


def load_image(image: ImageFile, holder: Process, record: Path) -> bool:
    """
    Import the image into one node unless it is there already; return whether it was imported.

    Args:
        image: the file.
        holder: the process that holds the node's mounts.
        record: the node's file of what was imported: name to digests.
    """
    known: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}
    present = _images_present(holder)
    if all(known.get(name) == [image.digest, present.get(name)] for name in map(full_name, image.names)):
        return False
    with image.path.open("rb") as content:
        _ctr(holder, ["images", "import", "-"], stdin=content)
    present = _images_present(holder)
    known.update({name: [image.digest, present.get(name)] for name in map(full_name, image.names)})
    unfinished = record.with_suffix(".new")
    unfinished.write_text(json.dumps(known, indent=1))
    unfinished.replace(record)
    return True


def full_name(name: str) -> str:
    """The name under which containerd keeps an image: with registry and tag."""
    first, slash, _ = name.partition("/")
    has_registry = bool(slash) and ("." in first or ":" in first or first == "localhost")
    if not has_registry:
        name = f"docker.io/{name}" if slash else f"docker.io/library/{name}"
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def parse_images(listing: str) -> dict[str, str]:
    """Name to manifest digest, from what ``ctr images list`` printed."""
    rows = [line.split() for line in listing.splitlines()[1:]]
    return {row[0]: row[2] for row in rows if len(row) > 2}


def _images_present(holder: Process) -> dict[str, str]:
    return parse_images(_ctr(holder, ["images", "list"]))


def _ctr(holder: Process, arguments: list[str], *, stdin: Any = subprocess.DEVNULL) -> str:
    command = [str(binary("ctr")), f"--address={CONTAINERD_SOCKET}", "--namespace=k8s.io", *arguments]
    done = subprocess.run(
        [*enter(holder), *command],
        stdin=stdin,
        capture_output=True,
        text=True,
        timeout=_IMPORT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise LocalClusterError(f"ctr {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _tar(files: Mapping[str, bytes], *, mode: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(content), mode
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()
