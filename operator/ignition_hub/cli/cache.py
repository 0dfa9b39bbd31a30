"""
``ignition cache``: what the local engine cache holds, and how to empty it.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ignition_hub.cli.arguments import duration, mebibytes, seconds_of
from ignition_hub.cli.build import Form
from ignition_hub.local.cache import Cache
from ignition_hub.local.prune import CachedEngine, chosen, clear, entries
from ignition_hub.local.settings import cache_folder

cache = typer.Typer(help="The local engine cache.", no_args_is_help=True, rich_markup_mode=None)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--cache-dir", metavar="DIR", help="Engine cache. Default: TENSORRT_CACHE_DIR, or the user's cache."
    ),
]
COLUMNS = ("NAME", "VERSION", "PRECISION", "ARCH", "TENSORRT", "SIZE", "AGE", "IDENTITY")


@cache.command("list")
def list_engines(
    *, cache_dir: Folder = None, form: Annotated[Form, typer.Option("-o", help="Format.")] = Form.text
) -> None:
    """List the engines of the cache."""
    found = entries(Cache(cache_folder(cache_dir, os.environ)))
    if form is Form.json:
        typer.echo(json.dumps([document(entry) for entry in found], indent=2))
        return
    if not found:
        typer.echo(f"no engines in {cache_folder(cache_dir, os.environ)}", err=True)
        return
    rows = [COLUMNS, *(row(entry) for entry in found)]
    widths = [max(len(line[column]) for line in rows) for column in range(len(COLUMNS))]
    for line in rows:
        typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True)).rstrip())


@cache.command("clear")
def clear_engines(
    *,
    older_than: Annotated[
        str | None, typer.Option(metavar="AGE", help="Only engines older than this, for example 7d.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="Only engines of this model.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be removed, without removing it.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    cache_dir: Folder = None,
) -> None:
    """Remove engines from the cache; one that is being built stays."""
    place, age = Cache(cache_folder(cache_dir, os.environ)), seconds_of(older_than)
    found = chosen(place, model_name=model, older_than=age)
    for entry in found:
        typer.echo(" ".join(row(entry)))
    total = amount(found)
    if dry_run:
        typer.echo(f"would remove {total} from {place.root}", err=True)
        return
    if found and not yes:
        typer.confirm(f"Remove {total} from {place.root}?", abort=True, err=True)
    gone = clear(place, model_name=model, older_than=age)
    typer.echo(f"removed {amount(gone)} from {place.root}", err=True)


def amount(found: Sequence[CachedEngine]) -> str:
    """Say how many engines these are and what they take: ``2 engines, 6.2 MiB``."""
    noun = "engine" if len(found) == 1 else "engines"
    return f"{len(found)} {noun}, {mebibytes(sum(entry.size for entry in found))}"


def row(entry: CachedEngine) -> tuple[str, ...]:
    """Return one engine as a line of the table."""
    inputs = entry.manifest.inputs
    return (
        inputs.model.name,
        inputs.model.version,
        inputs.precision,
        inputs.gpu_arch,
        inputs.release,
        mebibytes(entry.manifest.engine.size),
        duration(entry.age),
        entry.folder.name,
    )


def document(entry: CachedEngine) -> dict[str, Any]:
    """Return one engine as JSON."""
    manifest = entry.manifest
    return {
        "model": manifest.inputs.model.name,
        "version": manifest.inputs.model.version,
        "precision": manifest.inputs.precision,
        "gpuArch": manifest.inputs.gpu_arch,
        "flavor": manifest.inputs.flavor,
        "tensorrt": manifest.inputs.tensorrt_version,
        "identity": manifest.identity,
        "sizeBytes": manifest.engine.size,
        "builtAt": manifest.built_at,
        "path": str(entry.engine),
    }
