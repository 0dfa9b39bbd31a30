"""
``ignition inspect``: what an engine file is, read from its own header.
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from ignition_hub.cli.errors import CliError
from ignition_hub.cli.output import Format, Output, show
from ignition_hub.engine.plan import read_plan_header


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
