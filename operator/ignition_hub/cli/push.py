"""
``ignition push``: bring a model from this machine to the hub, as ``docker push`` does an image.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from ignition_hub.cli.bundle import ModelUpload, model_upload
from ignition_hub.cli.errors import CliError
from ignition_hub.cli.kubectl import GATEWAY, Kubectl
from ignition_hub.cli.options import Context, GatewayUrl, HubNamespace, Namespace, Precision, Shapes
from ignition_hub.cli.output import Format, Output, show
from ignition_hub.cli.resource import ResourceRequest, shapes_of
from ignition_hub.cli.upload import GatewayEndpoint, tls_context
from ignition_hub.cli.upload import push as upload
from ignition_hub.engine.names import RELEASE_NAMESPACE

Model = Annotated[
    Path,
    typer.Argument(
        help="ONNX file, with the external data it names beside it; or a folder with both.",
        metavar="MODEL.onnx",
    ),
]
ModelName = Annotated[
    str, typer.Option(metavar="NAME", help="Name of the model; part of the engine's file name.")
]
ModelVersion = Annotated[str, typer.Option(metavar="NAME", help="Version of the model.")]
Archs = Annotated[
    list[str],
    typer.Option(metavar="ARCH", help="GPU architecture to build for, for example sm_89; repeatable."),
]
Products = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME",
        help="Build for this exact product, for example NVIDIA-L4, as TensorRT before 10.9 requires; "
        "one for each --arch.",
    ),
]
ServiceAccount = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="ServiceAccount of the namespace to push as; it must be allowed to create engines.",
    ),
]


def push(
    model: Model,
    *,
    name: ModelName,
    version: ModelVersion,
    arch: Archs,
    product: Products = None,
    namespace: Namespace = None,
    precision: Precision = "fp16",
    shape: Shapes = None,
    service_account: ServiceAccount = "default",
    gateway: GatewayUrl = None,
    hub_namespace: HubNamespace = RELEASE_NAMESPACE,
    context: Context = None,
    output: Output = Format.yaml,
) -> None:
    """Upload a model and print the TensorRTEngine to apply, for example with: ... | kubectl apply -f -"""
    request = ResourceRequest(
        name=name,
        version=version,
        precision=precision,
        archs=tuple(arch),
        products=tuple(product or ()),
        shapes=shapes_of(shape or ()),
    )
    pushed = model_upload(model)
    kubectl = Kubectl(context)
    namespace = namespace or kubectl.namespace()
    token = kubectl.token(namespace, service_account)
    with reached(kubectl, gateway, hub_namespace, token) as where, progress_bar(pushed) as progress:
        uri = push_all(where, pushed, progress)
    typer.echo(f"pushed {pushed.name}, {pushed.size} bytes, to {uri}", err=True)
    show(request.resource(namespace, uri, pushed.sha256), output)


def push_all(gateway: GatewayEndpoint, pushed: ModelUpload, progress: Callable[[int], None]) -> str:
    """Upload every file of a model and return its URI; ``progress`` hears the bytes sent in all."""
    uri, before = "", 0

    def add(sent: int) -> None:
        progress(before + sent)

    for file in pushed.files:
        uri = upload(gateway, file, progress=add)
        before += file.size
    return uri


@contextlib.contextmanager
def reached(kubectl: Kubectl, url: str | None, hub: str, token: str) -> Iterator[GatewayEndpoint]:
    """Give a gateway at ``url``, or one behind a forwarded port, for as long as the block runs."""
    if url is not None:
        check_address(url)
        own: str | None = None
        with contextlib.suppress(CliError):  # whoever may not read it trusts what the system trusts
            own = kubectl.authority(hub)
        yield GatewayEndpoint(url, token, tls_context(own, system=True))
        return
    trusted = tls_context(kubectl.authority(hub), system=False)
    with kubectl.forward(hub) as port:
        yield GatewayEndpoint(f"https://127.0.0.1:{port}", token, trusted, server_name=f"{GATEWAY}.{hub}.svc")


def check_address(url: str) -> None:
    """Raise CliError unless ``--gateway`` is an address that a token may be sent to."""
    if not url.startswith("https://"):
        raise CliError(f"--gateway {url}: must start with https://, because a token is sent to it")
    if not _is_address(url):
        raise CliError(f"--gateway {url}: must be an address, for example https://hub.example.com:8443")


def _is_address(url: str) -> bool:
    """Tell whether httpx and the resolver take it: a name without an empty label, and a port that is one."""
    try:
        name, port = httpx.URL(url).host.encode("idna"), urlsplit(url).port
    except (ValueError, httpx.InvalidURL):
        return False
    return bool(name) and port != 0


@contextlib.contextmanager
def progress_bar(pushed: ModelUpload) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while it is a terminal; give what is told how far it is."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(f"pushing {pushed.name}", total=pushed.size)
        yield lambda sent: bars.update(task, completed=sent)
