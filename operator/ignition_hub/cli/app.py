"""
The commands, each a few lines; results go to standard output, everything else to standard error.
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ignition_hub.cli.errors import REFUSED, CliError
from ignition_hub.cli.kubectl import GATEWAY, Kubectl
from ignition_hub.cli.resource import Wish, shapes_of
from ignition_hub.cli.upload import Gateway, Parcel, trust
from ignition_hub.cli.upload import push as upload
from ignition_hub.engine.errors import IgnitionError
from ignition_hub.engine.names import RELEASE_NAMESPACE
from ignition_hub.engine.plan import read_plan_header

app = typer.Typer(
    help="TensorRT engines as a Kubernetes resource.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Format(StrEnum):
    """How results are printed."""

    yaml = "yaml"
    json = "json"


Output = Annotated[Format, typer.Option("--output", "-o", help="Format of the result.")]


@app.callback()
def common() -> None:
    """TensorRT engines as a Kubernetes resource."""


@app.command()
def push(
    model: Annotated[Path, typer.Argument(help="ONNX file.", metavar="MODEL.onnx")],
    *,
    name: Annotated[str, typer.Option(help="Name of the model; part of the engine's file name.")],
    version: Annotated[str, typer.Option(help="Version of the model.")],
    arch: Annotated[list[str], typer.Option(help="GPU architecture to build for, as sm_89; repeatable.")],
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="Namespace of the engine. Default: the context's.")
    ] = None,
    precision: Annotated[str, typer.Option(help="fp32, tf32, fp16, bf16, int8, fp8, int4 or fp4.")] = "fp16",
    shape: Annotated[
        list[str] | None,
        typer.Option(
            help="INPUT=MIN:OPT:MAX for a dynamic input, as data=1x3x8x8:4x3x8x8:8x3x8x8; repeatable."
        ),
    ] = None,
    service_account: Annotated[
        str,
        typer.Option(
            help="ServiceAccount of the namespace to push as; it must be allowed to create engines."
        ),
    ] = "default",
    gateway: Annotated[
        str | None, typer.Option(help="Address of the gateway. Default: a port forwarded by kubectl.")
    ] = None,
    hub_namespace: Annotated[
        str, typer.Option(envvar="IGNITION_HUB_NAMESPACE", help="Namespace the hub is installed in.")
    ] = RELEASE_NAMESPACE,
    context: Annotated[str | None, typer.Option(help="kubectl context. Default: the current one.")] = None,
    output: Output = Format.yaml,
) -> None:
    """Upload a model and print the TensorRTEngine to apply, for example with: ... | kubectl apply -f -"""
    wish = Wish(
        name=name, version=version, precision=precision, archs=tuple(arch), shapes=shapes_of(shape or ())
    )
    parcel = Parcel.of(model)
    kubectl = Kubectl(context)
    place = namespace or kubectl.namespace()
    token = kubectl.token(place, service_account)
    with reached(kubectl, gateway, hub_namespace, token) as where, progress_bar(parcel) as progress:
        uri = upload(where, parcel, progress=progress)
    typer.echo(f"pushed {model.name}, {parcel.size} bytes, to {uri}", err=True)
    show(wish.resource(place, uri, parcel.sha256), output)


@app.command()
def inspect(file: Annotated[Path, typer.Argument(help="Engine file.")], output: Output = Format.yaml) -> None:
    """Say what an engine file is: flavor, version, and for TensorRT-RTX the GPUs it holds code for."""
    try:
        with file.open("rb") as stream:
            header = read_plan_header(stream)
        on_disk = file.stat().st_size - header.ultralytics_prefix
    except OSError as error:
        raise CliError(f"{file}: {error.strerror}") from error
    facts: dict[str, Any] = {"flavor": header.flavor, "version": header.version, "sizeBytes": header.size}
    if header.capabilities:
        facts["gpuArchs"] = list(header.capabilities)
    if header.ultralytics_prefix:
        facts["ultralyticsPrefixBytes"] = header.ultralytics_prefix
    show(facts, output)
    if on_disk != header.size:
        raise CliError(
            f"{file}: the plan has {on_disk} bytes and says {header.size}: it is cut off or padded"
        )


@contextlib.contextmanager
def reached(kubectl: Kubectl, url: str | None, hub: str, token: str) -> Iterator[Gateway]:
    """Give a gateway at ``url``, or one behind a forwarded port, for as long as the block runs."""
    if url is not None:
        if not url.startswith("https://"):
            raise CliError(f"--gateway {url}: must start with https://, for a token is sent there")
        own: str | None = None
        with contextlib.suppress(CliError):  # whoever may not read it trusts what the system trusts
            own = kubectl.authority(hub)
        yield Gateway(url, token, trust(own, system=True))
        return
    trusted = trust(kubectl.authority(hub), system=False)
    with kubectl.forward(hub) as port:
        yield Gateway(f"https://127.0.0.1:{port}", token, trusted, server_name=f"{GATEWAY}.{hub}.svc")


@contextlib.contextmanager
def progress_bar(parcel: Parcel) -> Iterator[Any]:
    """Show a bar on standard error while it is a terminal; give what is told how far it is."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(f"pushing {parcel.path.name}", total=parcel.size)
        yield lambda sent: bars.update(task, completed=sent)


def show(document: dict[str, Any], output: Format) -> None:
    """Print a result."""
    if output is Format.json:
        typer.echo(json.dumps(document, indent=2))
    else:
        typer.echo(yaml.safe_dump(document, sort_keys=False, default_flow_style=None), nl=False)


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
    typer.echo(f"error: {' '.join(message.split())}", err=True)
    return code
