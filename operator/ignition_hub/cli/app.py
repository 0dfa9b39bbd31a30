"""
The program: every command from the module that has its name, and one line and an exit code for what fails.
"""

import sys
from pathlib import Path

import typer

from ignition_hub.cli.build import build
from ignition_hub.cli.cache import cache
from ignition_hub.cli.errors import REFUSED, CliError
from ignition_hub.cli.inspect import inspect
from ignition_hub.cli.plan import plan
from ignition_hub.cli.push import push
from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.words import on_one_line

COMMANDS = (push, plan, build, inspect)
"""In the order of the help."""

app = typer.Typer(
    help="TensorRT engines as a Kubernetes resource.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def common() -> None:
    """TensorRT engines as a Kubernetes resource."""


for command in COMMANDS:
    app.command()(command)
app.add_typer(cache, name="cache")


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
