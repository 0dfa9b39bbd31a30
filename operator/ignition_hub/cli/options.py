"""Options that several commands have: each is declared once, with its words in the help."""

from typing import Annotated

import typer

from ignition_hub.engine.environment import HUB_NAMESPACE

Context = Annotated[
    str | None, typer.Option(metavar="NAME", help="kubectl context. Default: the current one.")
]
GatewayUrl = Annotated[
    str | None,
    typer.Option(metavar="URL", help="Address of the gateway. Default: a port forwarded by kubectl."),
]
HubNamespace = Annotated[
    str, typer.Option(metavar="NAME", envvar=HUB_NAMESPACE, help="Namespace the hub is installed in.")
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", metavar="NAME", help="Namespace of the engine. Default: the context's."
    ),
]
Precision = Annotated[
    str, typer.Option(metavar="NAME", help="fp32, tf32, fp16, bf16, int8, fp8, int4 or fp4.")
]
Shapes = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SHAPES",
        help="INPUT=MIN:OPT:MAX of a dynamic input, such as data=1x3x8x8:4x3x8x8:8x3x8x8; repeatable.",
    ),
]
