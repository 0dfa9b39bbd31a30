"""
``kubectl ignition catalog``: which engines there are, for which models and GPUs, and how they were built.

The rows are those that the user may list, as the API server says, and no others.
"""

import json
import time
from typing import Annotated, Any

import typer

from ignition_hub.catalog.cells import table
from ignition_hub.catalog.rows import CatalogRow, rows_of
from ignition_hub.catalog.selection import Selection, found
from ignition_hub.cli.kubectl import Kubectl
from ignition_hub.cli.options import Context, Namespace
from ignition_hub.cli.output import Format, in_columns, show
from ignition_hub.engine.enums import StrEnum
from ignition_hub.engine.quoting import printable
from ignition_hub.engine.state import State

ENGINES = "tensorrtengines.ignitionhub.io"


class CatalogFormat(StrEnum):
    """How the catalog is printed."""

    text = "text"
    yaml = "yaml"
    json = "json"


def catalog(
    *,
    namespace: Namespace = None,
    all_namespaces: Annotated[
        bool, typer.Option("--all-namespaces", "-A", help="Show the engines of all namespaces.")
    ] = False,
    model: Annotated[
        str, typer.Option(metavar="TEXT", help="Show models with this text in their name.")
    ] = "",
    gpu: Annotated[
        str, typer.Option(metavar="TEXT", help="Show GPUs with this text, for example L4 or sm_89.")
    ] = "",
    state: Annotated[State | None, typer.Option(help="Show engines in this state.")] = None,
    context: Context = None,
    output: Annotated[CatalogFormat, typer.Option("--output", "-o", help="Format of the list.")] = (
        CatalogFormat.text
    ),
) -> None:
    """Show the engines of a namespace, or of all: one row for each model and GPU."""
    selection = Selection(model=model, gpu=gpu, state=str(state or ""))
    rows = found(rows_in(Kubectl(context), namespace, all_namespaces=all_namespaces), selection)
    if output is not CatalogFormat.text:
        show({"engines": [row.to_json() for row in rows]}, Format(output.value))
    elif rows:
        typer.echo("\n".join(lines(rows, all_namespaces=all_namespaces)))
    else:
        typer.echo("No engines found.", err=True)


def rows_in(kubectl: Kubectl, namespace: str | None, *, all_namespaces: bool) -> list[CatalogRow]:
    """Return the rows of a namespace, by default the context's, or of all; CliError when kubectl refuses."""
    scope = ["--all-namespaces"] if all_namespaces else ["--namespace", namespace] if namespace else []
    answer: dict[str, Any] = json.loads(kubectl.run("get", ENGINES, *scope, "--output", "json"))
    return [row for body in answer.get("items") or () for row in rows_of(body)]


def lines(rows: list[CatalogRow], *, all_namespaces: bool) -> list[str]:
    """Return the rows as a table; the namespace is a column where there may be several."""
    hidden = () if all_namespaces else ("Namespace",)
    heads, *cells = table(rows, time.time(), hidden=hidden)
    upper = [head.upper() for head in heads]
    return list(in_columns([upper, *([printable(cell) or "-" for cell in row] for row in cells)]))
