"""
``ignition inspect``: what an engine is, how it was built, and where it loads.
"""

from typing import Annotated

import typer

from ignition_hub.cli.errors import REFUSED, CliError
from ignition_hub.cli.output import Format, Readable, ReadableOutput, show


def inspect(
    engine: Annotated[
        str,
        typer.Argument(help="Engine or manifest: a file, or an s3:// URI.", metavar="ENGINE|URI|MANIFEST"),
    ],
    *,
    gpu: Annotated[
        str | None,
        typer.Option(
            metavar="GPU", help="Check whether it loads on this GPU: sm_89, or a product such as NVIDIA-L4."
        ),
    ] = None,
    tensorrt: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Check whether this TensorRT loads it: 10.13.2.6.")
    ] = None,
    output: ReadableOutput = Readable.text,
) -> None:
    """
    Say what an engine is, how it was built, and where it loads; no GPU and no TensorRT is needed.

    Of an engine without a manifest its own header tells flavor, version and, for TensorRT-RTX, the GPUs. The
    exit code is 1 for a file that is not to be used, and when it does not load where --gpu or --tensorrt say.
    """
    from ignition_hub.cli.inspected import subject_of  # noqa: PLC0415
    from ignition_hub.cli.load_verdict import load_verdict  # noqa: PLC0415  # boto3 takes long to import
    from ignition_hub.cli.report import laid_out  # noqa: PLC0415
    from ignition_hub.compatibility.description import where_it_loads  # noqa: PLC0415

    subject = subject_of(engine)
    cuda = subject.manifest.build.cuda_version if subject.manifest else None
    verdict = load_verdict(subject.facts, cuda, gpu, tensorrt)
    if output is Readable.text:
        typer.echo("\n".join(laid_out(subject, verdict)))
    else:
        loads = {
            **where_it_loads(subject.facts).to_json(),
            **({"verdict": verdict.to_json()} if verdict else {}),
        }
        show({**subject.to_json(), "loads": loads}, Format(output.value))
    if subject.trouble:
        raise CliError(f"{engine}: {subject.trouble}")
    if verdict and verdict.refused and (gpu or tensorrt):
        raise typer.Exit(REFUSED)
