"""
How commands print: results as documents on standard output, everything else on standard error.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from ignition_hub.cli import kubectl_yaml
from ignition_hub.engine.enums import StrEnum


class Format(StrEnum):
    """How results are printed."""

    yaml = "yaml"
    json = "json"


class Readable(StrEnum):
    """How results are printed that people read: laid out for them, or as a document."""

    text = "text"
    yaml = "yaml"
    json = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="Format of the result.")]
ReadableOutput = Annotated[Readable, typer.Option("--output", "-o", help="Format of the result.")]


def show(document: dict[str, Any], output: Format) -> None:
    """Print a result."""
    if output is Format.json:
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(kubectl_yaml.written(document), nl=False)


def in_columns(table: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a table whose first row is the heads, the last column as long as it is."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for *cells, last in table:
        padded = [cell.ljust(width) for cell, width in zip(cells, widths, strict=False)]
        yield "   ".join([*padded, last]).rstrip()
