"""
``kubectl ignition catalog``: which engines there are, for which models and GPUs, and how they were built.

The rows are those that the user may list, as the API server says, and no others.
"""

import contextlib
import json
import time
from dataclasses import dataclass, replace
from typing import Annotated, Any

import typer

from ignition_hub.catalog.cells import table
from ignition_hub.catalog.rows import CatalogRow, rows_of
from ignition_hub.catalog.selection import Selection, found
from ignition_hub.cli.catalog_server import CatalogSite, address_of, listening
from ignition_hub.cli.kubectl import Kubectl
from ignition_hub.cli.options import Context, Namespace
from ignition_hub.cli.output import Format, Readable, ReadableOutput, in_columns, show
from ignition_hub.engine.quoting import printable
from ignition_hub.engine.state import State

ENGINES = "tensorrtengines.ignitionhub.io"


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
    serve: Annotated[
        bool, typer.Option("--serve", help="Show it as a page to a browser of this machine, until Ctrl-C.")
    ] = False,
    context: Context = None,
    output: ReadableOutput = Readable.text,
) -> None:
    """Show the engines of a namespace, or of all: one row for each model and GPU."""
    selection = Selection(model=model, gpu=gpu, state=str(state or ""))
    where = Scope(Kubectl(context), namespace or "", all_namespaces)
    if serve:
        serve_pages(CatalogSite(where.listing), selection)
        return
    rows = found(where.rows(), selection)
    if output is not Readable.text:
        show({"engines": [row.to_json() for row in rows]}, Format(output.value))
    elif rows:
        typer.echo("\n".join(lines(rows, all_namespaces=all_namespaces)))
    else:
        typer.echo("No engines found.", err=True)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which namespaces are looked at, by kubectl; an empty name is that of the context."""

    kubectl: Kubectl
    namespace: str
    is_everywhere: bool

    def rows(self) -> list[CatalogRow]:
        """Return the rows of all engines there; CliError, with kubectl's own words, when it is refused."""
        named = ["--namespace", self.namespace] if self.namespace else []
        scope = ["--all-namespaces"] if self.is_everywhere else named
        answer: dict[str, Any] = json.loads(self.kubectl.run("get", ENGINES, *scope, "--output", "json"))
        return [row for body in answer.get("items") or () for row in rows_of(body)]

    def listing(self, namespace: str) -> tuple[str, list[CatalogRow]]:
        """Return in words where was looked, and the rows; with a ``namespace``, there alone."""
        if namespace:
            return f"Namespace {namespace}", replace(self, namespace=namespace, is_everywhere=False).rows()
        if self.is_everywhere:
            return "All namespaces", self.rows()
        return f"Namespace {self.namespace or self.kubectl.namespace()}", self.rows()


def serve_pages(site: CatalogSite, selection: Selection) -> None:
    """Say where the pages are, and serve them until the person ends it."""
    with listening(site) as server:
        query = f"?{selection.query()}" if selection.query() else ""
        typer.echo(f"http://{address_of(server)}{site.path}{query}")
        typer.echo("Open this address in a browser of this machine. Ctrl-C ends it.", err=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()


def lines(rows: list[CatalogRow], *, all_namespaces: bool) -> list[str]:
    """Return the rows as a table; the namespace is a column where there may be several."""
    hidden = () if all_namespaces else ("Namespace",)
    heads, *cells = table(rows, time.time(), hidden=hidden)
    upper = [head.upper() for head in heads]
    return list(in_columns([upper, *([printable(cell) or "-" for cell in row] for row in cells)]))
