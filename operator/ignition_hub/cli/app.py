"""
The program: every command from the module that has its name, and one line and an exit code for what fails.
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated

import typer

from ignition_hub import __version__
from ignition_hub.cli.build import build
from ignition_hub.cli.cache import cache
from ignition_hub.cli.catalog import catalog
from ignition_hub.cli.errors import REFUSED, CliError
from ignition_hub.cli.gpus import gpus
from ignition_hub.cli.inspect import inspect
from ignition_hub.cli.plan import plan
from ignition_hub.cli.prune import prune
from ignition_hub.cli.push import push
from ignition_hub.cli.store import store
from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.quoting import on_one_line

COMMANDS: Mapping[Callable[..., None], str] = {
    push: "Upload a model, print the resource to apply.",
    plan: "Show what can be built where, and why not.",
    build: "Build an engine on this machine.",
    catalog: "Show the engines, by model and GPU.",
    gpus: "Show the GPUs of nodes, and what tells them.",
    inspect: "Show what an engine is and where it loads.",
    prune: "Remove what nothing uses from the store.",
}
"""In the order of the help, each with a line that a narrow terminal shows whole."""

app = typer.Typer(
    help="TensorRT engines as a Kubernetes resource.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def show_version(asked: bool) -> None:
    """Print the version and end, where it was asked for."""
    if asked:
        typer.echo(f"ignition {__version__}")
        raise typer.Exit


@app.callback()
def common(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", callback=show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """TensorRT engines as a Kubernetes resource."""


for command, summary in COMMANDS.items():
    app.command(short_help=summary)(command)
app.add_typer(cache, name="cache", short_help="List or clear the local engine cache.")
app.add_typer(store, name="store", short_help="Check what an artifacts store does.")


def main() -> int:
    """Run the command line; failures are one line and an exit code."""
    as_plugin = Path(sys.argv[0]).name.startswith("kubectl-")
    try:
        app(prog_name="kubectl ignition" if as_plugin else "ignition")
    except CliError as error:
        return fail(str(error), error.exit_code)
    except IgnitionError as error:
        return fail(str(error), REFUSED)
    return 0


def fail(message: str, code: int) -> int:
    """Print one line and return the exit code."""
    typer.echo(f"error: {on_one_line(message)}", err=True)
    return code
