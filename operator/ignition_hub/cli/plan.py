"""
``kubectl ignition plan``: what the controller will say to a TensorRTEngine, before it is applied.

Each target is put to the truth table against the cluster's pools, or those of a file; no GPU is spent.
"""

from typing import Annotated

import typer

from ignition_hub.cli.errors import REFUSED
from ignition_hub.cli.kubectl import Kubectl
from ignition_hub.cli.options import Context
from ignition_hub.cli.output import Format, Readable, ReadableOutput, show


def plan(
    file: Annotated[
        list[str],
        typer.Option(
            "--filename",
            "-f",
            metavar="FILE",
            help="File or folder with TensorRTEngines, or - for standard input.",
        ),
    ],
    *,
    pools: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="File with BuildPools. Default: those of the cluster."),
    ] = None,
    context: Context = None,
    output: ReadableOutput = Readable.text,
) -> None:
    """
    Say for every target which pool can build it and where the engine will load, or what would work.

    Queue and priority class are those of a build that no other namespace waits for. A resource that is
    applied already keeps the TensorRT version that its status has pinned.
    """
    from ignition_hub.cli import planning  # noqa: PLC0415  # the API's models take long to import

    engines = planning.engines_in(file)
    if pools:
        offered = planning.pools_in(pools)
    else:
        kubectl = Kubectl(context)
        offered = planning.pools_of_cluster(kubectl)
        engines = [planning.placed(engine, kubectl) for engine in engines]
    plans = [planning.build_plan(engine, offered) for engine in engines]
    if output is Readable.text:
        typer.echo("\n".join(line for one in plans for line in planning.in_words(one)))
    else:
        show({"engines": [one.to_json() for one in plans]}, Format(output.value))
    if not all(one.is_buildable for one in plans):
        raise typer.Exit(REFUSED)
