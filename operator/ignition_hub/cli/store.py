"""
``ignition store``: what an S3 server does with what the hub relies on, asked by hand.
"""

import os
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from ignition_hub.cli.errors import REFUSED, CliError, Unreachable
from ignition_hub.cli.output import Format, Readable, ReadableOutput, in_columns, show
from ignition_hub.engine.errors import TransientError
from ignition_hub.local.settings import ACCESS_KEY, ENDPOINT, EXAMPLE, REGION, artifacts_settings

if TYPE_CHECKING:
    from ignition_hub.store.habits import Habits

store = typer.Typer(help="The artifacts store.", no_args_is_help=True, rich_markup_mode=None)


@store.callback()
def group() -> None:
    """Ask the artifacts store."""


@store.command("check")
def check(
    *,
    where: Annotated[
        str | None,
        typer.Argument(metavar="STORE", help=f"{EXAMPLE}. Default: ARTIFACTS_ENDPOINT."),
    ] = None,
    output: ReadableOutput = Readable.text,
) -> None:
    """
    Show what a server does with everything the hub relies on.

    Writes up to 12 MiB below <prefix>/probes/ and removes them. Credentials come from ARTIFACTS_ACCESS_KEY
    and ARTIFACTS_SECRET_KEY, or from the variables of AWS.
    """
    from ignition_hub.local.artifacts import store_settings  # noqa: PLC0415  # boto3 takes long to import
    from ignition_hub.store.errors import SettingsUnusable  # noqa: PLC0415
    from ignition_hub.store.habits import habits_of  # noqa: PLC0415
    from ignition_hub.store.objects import ObjectStore  # noqa: PLC0415

    settings = artifacts_settings(where, os.environ, given_as="STORE")
    if settings is None:
        raise CliError(f"no store is named: give {EXAMPLE}, or set ARTIFACTS_ENDPOINT")
    try:
        with closing(ObjectStore(store_settings(settings))) as opened:
            habits = habits_of(opened)
    except TransientError as error:
        raise Unreachable(str(error)) from error
    except SettingsUnusable as error:
        # Its own remedy speaks of an EngineStore, which this machine has not.
        raise CliError(f"{error.message}: check STORE or {ENDPOINT}, {REGION} and {ACCESS_KEY}") from error
    if output is Readable.text:
        typer.echo("\n".join([*in_columns(rows(habits)), "", verdict(habits)]))
    else:
        show(document(habits), Format(output.value))
    if not habits.are_conditional:
        raise typer.Exit(REFUSED)


def rows(habits: "Habits") -> list[tuple[str, str, str]]:
    """Return the table: what was asked, whether it holds, and what was seen."""
    found = [(str(one.relied), "yes" if one.holds else "no", one.seen) for one in habits.all]
    return [("ASKED", "HOLDS", "SEEN"), *found]


def verdict(habits: "Habits") -> str:
    """Say what follows for the hub and for machines that share the bucket."""
    if habits.are_conditional:
        return "Conditional writes keep two writers apart."
    return "The gateways publish one engine at a time, and machines outside the cluster do not write here."


def document(habits: "Habits") -> dict[str, object]:
    """Return the same for programs."""
    found = [{"asked": str(one.relied), "holds": one.holds, "seen": one.seen} for one in habits.all]
    return {"conditionalWrites": habits.are_conditional, "asked": found}
